"""TP7, étape I.3 : le client de la chatroom, dans un terminal.

Ce que l'étape montre : écouter le clavier et le serveur à la fois. Avec `input`, rien ne s'affiche
avant que tu aies tapé Entrée ; avec `ainput`, les autres parlent pendant que tu écris.

    python ws_i_3_client.py                               # le serveur de cette machine
    python ws_i_3_client.py -a 192.168.56.10 -p 8888      # un serveur sur une autre machine

Il parle à tous les serveurs du TP à partir de l'étape I.3. Ctrl+D ou Ctrl+C pour partir.
À regarder : main(), où deux tâches tournent ensemble, et où la fin de l'une arrête l'autre.
Ce qui ne va pas : une ligne qui arrive s'écrit au milieu de celle que tu tapes, et après une
coupure il faut le relancer. `python -m chatroom.client` y remédie.
"""

import argparse
import asyncio
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from aioconsole import ainput, aprint
from colored import fore, style
from dotenv import load_dotenv
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

load_dotenv(Path(__file__).with_name(".env"))  # celui d'à côté, et aucun autre
HOST = os.getenv("WS_HOST") or "127.0.0.1"
PORT = os.getenv("WS_PORT") or "8888"
COLORS = "cyan", "dodger_blue_1", "spring_green_3a", "gold_3a", "dark_orange", "hot_pink_3a"
NAMED_LINE = re.compile(r"(\[.+?\] (?:Annonce : )?)(.+?)( a (?:dit|rejoint|quitté) .*| est de .*)")


async def listen(websocket):
    """Affiche chaque ligne qui arrive, jusqu'à la fermeture de la connexion."""
    while True:
        frame = await websocket.recv(decode=True)
        if not frame.startswith("ID|"):  # la clé pour revenir : elle ne se montre pas
            # `print` perdrait du texte pendant qu'`ainput` attend, `aprint` n'en perd pas
            await aprint("\n".join(paint(line) for line in frame.split("\n")))


async def speak(websocket):
    """Envoie chaque ligne tapée, jusqu'à la fin de l'entrée."""
    while True:
        message = await ainput()
        await websocket.send(message)
        await aprint(f"Vous avez dit : {message}")


def paint(line):
    """Donne au pseudo d'une ligne sa couleur, toujours la même."""
    if not (found := NAMED_LINE.fullmatch(line)):
        return line
    before, pseudo, after = found.groups()
    color = COLORS[crc32(pseudo.encode()) % len(COLORS)]
    return f"{before}{fore(color)}{pseudo}{style('reset')}{after}"


async def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-a", "--address", default=HOST, help="adresse du serveur")
    parser.add_argument("-p", "--port", type=int, default=PORT, help="port du serveur")
    options = parser.parse_args()
    uri = f"ws://{options.address}:{options.port}"
    pseudo = await ainput("Ton pseudo : ")
    try:
        websocket = await connect(uri, proxy=None)  # sans le mandataire de l'école
    except (OSError, ValueError, WebSocketException) as error:
        sys.exit(f"Pas de serveur WebSocket à {uri} ({error}) : lance-le, ou vérifie -a et -p.")
    async with websocket:
        try:
            async with asyncio.TaskGroup() as tasks:  # la fin de l'une arrête l'autre
                await websocket.send(f"Hello|{pseudo}")
                tasks.create_task(listen(websocket))
                tasks.create_task(speak(websocket))
        except* EOFError:  # Ctrl+D : c'est toi qui pars
            print()
        except* ConnectionClosed:
            reason = websocket.close_reason or "le serveur est parti"
            sys.exit(f"La connexion est fermée ({reason}) : relance ce client.")


if __name__ == "__main__":
    with suppress(EOFError, KeyboardInterrupt):
        asyncio.run(main())
