"""TP7, étape I.3 : une chatroom. Chacun se présente, parle, et reçoit ce que disent les autres.

Ce que l'étape montre : pour parler à tous, il faut retenir qui est là, ici dans `clients`.

    python ws_i_3_server.py
    python ws_i_3_client.py              # dans deux autres terminaux, ou la page ws_i_3_client.html

À regarder : enter(), leave() et publish(), les seules à se servir de `clients`.
Ce qui ne va pas : `clients` meurt avec le serveur, et un second serveur aurait le sien (l'étape
II.2 y remédie). Un client qui ne lit plus remplit la mémoire, jusqu'à ce que ses pings échouent,
40 s plus tard. clean() perd les espaces insécables et défait les émojis composés.
"""

import argparse
import asyncio
import os
import secrets
import signal
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from dotenv import load_dotenv
from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed

load_dotenv(Path(__file__).with_name(".env"))  # celui d'à côté, et aucun autre
HOST = os.getenv("WS_HOST") or "127.0.0.1"
PORT = os.getenv("WS_PORT") or "8888"
MAX_PSEUDO = 32  # caractères
MAX_MESSAGE = 2000  # caractères

clients = {}  # session → pseudo et connexion de chaque client présent


class Refused(Exception):
    """Une connexion que l'on ferme : le code de fermeture et la raison."""


async def chat(websocket):
    """Accueille une connexion, passe ses messages à la salle, annonce son départ."""
    with suppress(ConnectionClosed):  # un départ brutal est un départ comme un autre
        try:
            session, pseudo = await welcome(websocket)
            enter(session, pseudo, websocket)
            try:
                broadcast([websocket], f"ID|{session}")  # elle est peut-être déjà repartie
                await relay(websocket, session, pseudo)
            finally:
                leave(session, pseudo)
        except Refused as refusal:
            await websocket.send(f"Erreur : {refusal.args[1]}")
            await websocket.close(*refusal.args)


async def welcome(websocket):
    """Attend `Hello|<pseudo>` ; rend une session neuve et ce pseudo, ou lève Refused."""
    try:
        async with asyncio.timeout(10):  # secondes pour se présenter
            verb, _, text = clean(await websocket.recv()).partition("|")
    except TimeoutError:
        raise Refused(1008, "rien reçu en 10 s, commence par Hello|<pseudo>") from None
    pseudo = text.strip()
    if verb == "ID":
        raise Refused(4002, "session inconnue ou expirée")
    if verb != "Hello" or not 1 <= len(pseudo) <= MAX_PSEUDO:
        raise Refused(1008, f"commence par Hello|<pseudo>, de 1 à {MAX_PSEUDO} caractères")
    return secrets.token_urlsafe(16), pseudo


async def relay(websocket, session, pseudo):
    """Passe à la salle chaque message d'une connexion, jusqu'à son départ."""
    async for message in websocket:
        text = clean(message)
        if len(text) > MAX_MESSAGE:
            await websocket.send(f"Erreur : message trop long, {MAX_MESSAGE} caractères au plus")
        elif text:
            publish(session, f"{pseudo} a dit : {text}")


def enter(session, pseudo, websocket):
    """Fait entrer une session dans la salle ; lève Refused si son pseudo est pris."""
    if any(client["pseudo"].casefold() == pseudo.casefold() for client in clients.values()):
        raise Refused(4003, "ce pseudo est déjà pris, choisis-en un autre")
    clients[session] = {"pseudo": pseudo, "websocket": websocket}
    publish(session, f"Annonce : {pseudo} a rejoint la chatroom")


def leave(session, pseudo):
    """Retire une session de la salle."""
    del clients[session]
    publish(session, f"Annonce : {pseudo} a quitté la chatroom")


def publish(author, sentence):
    """Passe à chaque client encore là, sauf à son auteur, ce qui arrive dans la salle."""
    others = (client["websocket"] for session, client in clients.items() if session != author)
    present = (other for other in others if not other.transport.is_closing())
    broadcast(present, f"[{datetime.now():%H:%M}] {sentence}")


def clean(frame):
    """Rend une trame sur une ligne, sans rien qui dérange un écran ; lève Refused si binaire."""
    if isinstance(frame, bytes):
        raise Refused(1003, "seul le texte est accepté")
    return "".join(c if c.isprintable() else " " for c in frame).strip()


async def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-a", "--address", default=HOST, help="adresse où écouter")
    parser.add_argument("-p", "--port", type=int, default=PORT, help="port où écouter")
    options = parser.parse_args()
    try:  # compression=None : sur des lignes si courtes, elle coûte plus qu'elle ne gagne
        server = await serve(chat, options.address, options.port, compression=None)
    except (OSError, OverflowError, UnicodeError) as error:
        sys.exit(f"Impossible d'écouter là ({error}) : choisis une autre adresse ou un autre port.")
    async with server:  # à la sortie, chaque client est prévenu (code 1001)
        with suppress(NotImplementedError):  # Windows n'a que Ctrl+C, qui interrompt tout
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, server.close)
        address, port = server.sockets[0].getsockname()[:2]
        print(f"Serveur à l'écoute sur ws://{address}:{port} (Ctrl+C pour l'arrêter)", flush=True)
        await server.wait_closed()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
