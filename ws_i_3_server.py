"""TP7, étape I.3 : une chatroom. Chacun se présente, parle, et reçoit ce que disent les autres.

Ce que l'étape montre : pour passer à tous ce que dit l'un, le serveur doit retenir qui est là ;
ici dans une variable globale, `clients`.

    python ws_i_3_server.py
    python ws_i_3_client.py              # dans deux autres terminaux, ou la page ws_i_3_client.html

À regarder : `clients`, et tout ce qui s'y lit et s'y écrit : enter(), say(), leave().
Ce qui ne va pas : quand le serveur s'arrête, `clients` disparaît ; et un second serveur aurait le
sien. L'étape II.2 y remédie.
"""

import argparse
import asyncio
import os
import re
import secrets
import signal
import sys
import unicodedata
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from dotenv import dotenv_values
from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

MAX_PSEUDO = 32  # caractères
MAX_MESSAGE = 2000  # caractères
MAX_FRAME = 4 * MAX_MESSAGE + 1024  # octets : un caractère en prend 4 au plus
MAX_UNREAD = 2**20  # octets qu'un client peut laisser en attente avant d'être écarté
MAX_WAITING = 256  # messages d'un client qui attendent leur tour ; au-delà, il n'est plus lu
HELLO_DELAY = 10  # secondes pour se présenter

CLOSE_DELAY = 2  # secondes laissées à un client pour lire la fermeture
LEAVE_DELAY = 5  # secondes laissées aux clients quand le serveur s'arrête

SENTENCES = {
    "enter": "Annonce : {pseudo} a rejoint la chatroom",
    "return": "Annonce : {pseudo} est de retour !",
    "say": "{pseudo} a dit : {text}",
    "leave": "Annonce : {pseudo} a quitté la chatroom",
}


# --- Ce que retient le serveur ----------------------------------------------------------------
# session → pseudo, name (ce qui le distingue des autres), websocket (None une fois parti).
clients = {}


def enter(tasks, session, pseudo, websocket):
    """Fait entrer une session, ou la fait revenir ; rend False si son nom est pris."""
    name = unique_name(pseudo)
    for other, client in clients.items():
        if other != session and client["websocket"] and client["name"] == name:
            return False
    previous = clients.get(session)
    clients[session] = {"pseudo": pseudo, "name": name, "websocket": websocket}
    pass_on("return" if previous else "enter", pseudo, websocket, tasks)
    if previous and previous["websocket"]:
        tasks.create_task(dismiss(previous["websocket"], 4001, "session reprise ailleurs"))
    return True


def say(tasks, session, websocket, text):
    """Passe un message à la salle, si `websocket` détient encore la session."""
    client = clients.get(session)
    if client and client["websocket"] is websocket:
        pass_on("say", client["pseudo"], websocket, tasks, text)


def leave(tasks, session, websocket, ttl):
    """Marque le départ d'une session et libère son pseudo, si `websocket` la détient encore.

    Elle peut revenir pendant `ttl` secondes, puis elle est oubliée.
    """
    client = clients.get(session)
    if client and client["websocket"] is websocket:
        client["websocket"] = None
        pass_on("leave", client["pseudo"], websocket, tasks)
        asyncio.get_running_loop().call_later(ttl, forget, session, client)


def forget(session, client):
    """Oublie une session, sauf si elle est revenue entre-temps."""
    if clients[session] is client:
        del clients[session]


# --- Ce qu'on accepte et ce qu'on affiche ----------------------------------------------------


class Refused(Exception):
    """Une connexion que l'on ferme : le code de fermeture et la raison."""


def one_line(text):
    """Change chaque blanc et chaque saut de ligne en une espace, sauf les insécables françaises."""
    return re.sub(r"\r\n|[^\S\u00a0\u202f]", " ", text)


def harmless(character):
    """Dit si un caractère ne peut pas déranger un écran : ni contrôle, ni format, sauf les deux
    liants dont se servent les émojis et certaines écritures."""
    category = unicodedata.category(character)
    return category not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") or character in "\u200c\u200d"


def visible(character):
    """Dit si un caractère laisse une trace à l'écran."""
    blanks = "\u115f\u1160\u2800\u3164\uffa0"  # des « lettres » sans dessin
    return unicodedata.category(character)[0] not in "CMZ" and character not in blanks


def clean_message(text):
    """Rend un message sur une ligne, sans rien qui puisse déranger un écran."""
    text = one_line(unicodedata.normalize("NFC", text))
    if not text.isprintable():  # le plus souvent il n'y a rien à trier
        text = unicodedata.normalize("NFC", "".join(filter(harmless, text)))
    return text.strip()


def clean_pseudo(text):
    """Rend un pseudo tel qu'il sera montré ; lève Refused s'il ne peut pas servir."""
    pseudo = one_line(unicodedata.normalize("NFC", text)).strip()
    if not any(map(visible, pseudo)):
        raise Refused(1008, "il faut un pseudo que l'on puisse voir")
    if len(pseudo) > MAX_PSEUDO:
        raise Refused(1008, f"un pseudo tient en {MAX_PSEUDO} caractères")
    if not all(map(harmless, pseudo)):
        raise Refused(1008, "un pseudo ne contient pas de caractère de contrôle")
    name = unique_name(pseudo)
    starts = ("[", "annonce :", "erreur :", "welcome back", "vous avez dit :", "hello|", "id|")
    if " a dit : " in f" {name} " or name.startswith(starts):
        raise Refused(1008, "ce pseudo ressemble à une phrase du serveur")
    return pseudo


def unique_name(pseudo):
    """Rend ce qui distingue un pseudo des autres : « Léa », « LÉA » et « ｌéa » sont le même."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", pseudo).casefold())


def stamp(moment):
    """Rend l'heure entre crochets, avec le jour si ce n'est pas aujourd'hui."""
    today = moment.date() == datetime.now().date()
    return f"[{moment:%H:%M}]" if today else f"[{moment:%d/%m %H:%M}]"


def line(kind, pseudo, text):
    """Rend la ligne à montrer pour ce qui arrive dans la salle."""
    return f"{stamp(datetime.now())} {SENTENCES[kind].format(pseudo=pseudo, text=text)}"


# --- La vie d'une connexion ------------------------------------------------------------------


async def chat(websocket, tasks, ttl):
    """Accueille une connexion, passe ses messages à la salle, annonce son départ."""
    with suppress(ConnectionClosed):  # un départ brutal est un départ comme un autre
        try:
            session, greeting = await welcome(websocket, tasks)
            try:
                with suppress(ConnectionClosed):  # déjà reparti : ce qu'il a dit passe quand même
                    await websocket.send(greeting)
                await relay(websocket, tasks, session)
            finally:
                leave(tasks, session, websocket, ttl)
        except Refused as refusal:
            code, reason = refusal.args
            await websocket.send(f"Erreur : {reason}")
            await websocket.close(code, reason)


async def welcome(websocket, tasks):
    """Attend `Hello|<pseudo>` ou `ID|<session>`, et fait entrer dans la salle.

    Rend la session et la phrase d'accueil ; lève Refused.
    """
    verb, text = await first_frame(websocket)
    if verb == "Hello":
        session, pseudo = secrets.token_urlsafe(16), clean_pseudo(text)
        greeting = f"ID|{session}"
    elif text in clients:
        session, pseudo = text, clients[text]["pseudo"]
        greeting = f"Welcome back {pseudo} !"
    else:
        raise Refused(4002, "session inconnue ou expirée")
    if not enter(tasks, session, pseudo, websocket):
        raise Refused(4003, "ce pseudo est déjà pris, choisis-en un autre")
    return session, greeting


async def first_frame(websocket):
    """Rend le verbe de la première trame et ce qui suit ; lève Refused si ce n'est pas l'usage."""
    try:
        async with asyncio.timeout(HELLO_DELAY):
            frame = await websocket.recv()
    except TimeoutError:
        raise Refused(1008, f"rien reçu en {HELLO_DELAY} s, présente-toi par Hello|") from None
    if isinstance(frame, bytes):
        raise Refused(1003, "seul le texte est accepté")
    verb, bar, text = frame.partition("|")
    if verb not in ("Hello", "ID") or not bar:
        raise Refused(1008, "commence par Hello|<pseudo> ou ID|<session>")
    return verb, text


async def relay(websocket, tasks, session):
    """Passe à la salle chaque message d'une connexion, jusqu'à son départ."""
    async for message in websocket:
        if isinstance(message, bytes):
            raise Refused(1003, "seul le texte est accepté")
        text = clean_message(message)
        if len(text) > MAX_MESSAGE:
            await websocket.send(
                f"Erreur : message trop long ({len(text)} caractères, {MAX_MESSAGE} au plus)"
            )
        elif text:
            say(tasks, session, websocket, text)


def here():
    """Parcourt les connexions acceptées, sauf celles dont la coupure vient d'arriver."""
    present = (client["websocket"] for client in clients.values() if client["websocket"])
    return (connection for connection in present if not connection.transport.is_closing())


def pass_on(kind, pseudo, author, tasks, text=""):
    """Passe ce qui arrive dans la salle à chaque connexion, sauf à son auteur."""
    broadcast((c for c in here() if c is not author), line(kind, pseudo, text))
    for connection in here():
        unread = connection.transport.get_write_buffer_size()
        if unread > MAX_UNREAD and connection.state is State.OPEN:  # sinon, on la ferme déjà
            tasks.create_task(dismiss(connection, 1013, "tu lis trop lentement"))


# --- Survivre --------------------------------------------------------------------------------


# Accident : un client ne lit plus rien, pas même la fermeture, et sa mémoire d'attente grossit.
async def dismiss(connection, code, reason):
    """Ferme une connexion, et la coupe si la fermeture n'est pas lue à temps."""
    try:
        async with asyncio.timeout(CLOSE_DELAY):
            await connection.close(code, reason)
    except TimeoutError:
        connection.transport.abort()


# --- Démarrer et s'arrêter -------------------------------------------------------------------


def setting(name, default):
    """Cherche un réglage dans l'environnement, puis dans le fichier .env voisin du script.

    Rend sa valeur et sa source. Une valeur vide compte pour absente.
    """
    try:
        neighbour = dotenv_values(Path(__file__).with_name(".env"), encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        sys.exit(f"Le fichier .env ne se lit pas ({error}) : enregistre-le en UTF-8.")
    for source, values in ("l'environnement", os.environ), ("le fichier .env", neighbour):
        if values.get(name):
            return values[name], f"{name} dans {source}"
    return default, "valeur par défaut"


def read_options():
    """Lit les options, puis ce qui se règle par l'environnement ou par .env."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-a", "--address", help="adresse où écouter (127.0.0.1 par défaut)")
    parser.add_argument("-p", "--port", help="port où écouter (8888 par défaut)")
    options = parser.parse_args()

    def whole_number(value, source, low, high):
        if not re.fullmatch("[0-9]{1,9}", value) or not low <= int(value) <= high:
            parser.error(f"{source} : « {value} » n'est pas un nombre de {low} à {high}")
        return int(value)

    options.address = options.address or setting("WS_HOST", "127.0.0.1")[0]
    port = (options.port, "-p") if options.port else setting("WS_PORT", "8888")
    options.port = whole_number(*port, 0, 65535)
    options.session_ttl = whole_number(*setting("SESSION_TTL", "3600"), 1, 10**8)
    origins = re.split(r"[\s,]+", setting("ORIGINS", "")[0].strip())
    options.origins = [None, *origins] if any(origins) else None  # None : hors d'un navigateur
    return options


async def listen(handler, options):
    """Rend un serveur qui écoute ; quitte le programme s'il ne peut pas."""
    try:
        return await serve(
            handler,
            options.address,
            options.port,
            origins=options.origins,
            compression=None,  # sur des lignes si courtes, elle coûte plus qu'elle ne gagne
            max_size=MAX_FRAME,
            max_queue=MAX_WAITING,
            close_timeout=CLOSE_DELAY,
        )
    except (OSError, UnicodeError) as error:
        sys.exit(
            f"Impossible d'écouter sur {options.address}, port {options.port} ({error}) :"
            " choisis une adresse de cette machine avec -a, et un port libre avec -p."
        )


async def until_stopped(server):
    """Annonce l'adresse du serveur, puis attend Ctrl+C, SIGTERM ou SIGHUP."""
    host, port = server.sockets[0].getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    stop = asyncio.Event()
    with suppress(AttributeError, NotImplementedError):  # Windows n'a que Ctrl+C, qui annule tout
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print(f"Serveur à l'écoute sur ws://{host}:{port} (Ctrl+C pour l'arrêter)", flush=True)
    with suppress(asyncio.CancelledError):
        await stop.wait()


async def close(server):
    """Prévient chaque client (code 1001) et attend que son départ soit noté, un temps seulement."""
    server.close()
    try:
        async with asyncio.timeout(LEAVE_DELAY):
            await server.wait_closed()
    except TimeoutError:
        print("Des connexions ne se ferment pas : elles sont coupées.", flush=True)


async def main(options):
    async with asyncio.TaskGroup() as tasks:
        server = await listen(partial(chat, tasks=tasks, ttl=options.session_ttl), options)
        await until_stopped(server)
        await close(server)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):  # Ctrl+C avant même d'écouter
        asyncio.run(main(read_options()))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # un second Ctrl+C ne gâche pas la fin
