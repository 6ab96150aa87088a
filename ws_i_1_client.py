"""TP7, étape I.1 : un premier client WebSocket, dans le terminal.

Ce que l'étape montre : une fois la connexion ouverte, chaque côté envoie quand il veut ; et
`ainput`, au contraire de `input`, n'empêche pas de voir le serveur partir.

    python ws_i_1_client.py                               # le serveur de cette machine
    python ws_i_1_client.py -a 192.168.56.10 -p 8888      # un serveur sur une autre machine

Ctrl+D ou Ctrl+C pour partir. À regarder : main(), où deux tâches attendent en même temps.
"""

import argparse
import asyncio
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

from aioconsole import ainput, aprint
from dotenv import dotenv_values
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException


async def converse(websocket):
    """Envoie chaque ligne tapée et affiche la réponse."""
    while True:
        await websocket.send(await ainput("Ton message : "))
        await aprint(await websocket.recv())


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
    """Lit les options -a et -p ; à défaut WS_HOST et WS_PORT."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-a", "--address", help="adresse du serveur (127.0.0.1 par défaut)")
    parser.add_argument("-p", "--port", help="port du serveur (8888 par défaut)")
    options = parser.parse_args()
    options.address = options.address or setting("WS_HOST", "127.0.0.1")[0]
    port, source = (options.port, "-p") if options.port else setting("WS_PORT", "8888")
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        parser.error(f"{source} : « {port} » n'est pas un port (un nombre de 0 à 65535)")
    options.port = int(port)
    return options


async def main(options):
    host = f"[{options.address}]" if ":" in options.address else options.address
    uri = f"ws://{host}:{options.port}"
    try:  # proxy=None : le serveur du TP est tout près, jamais derrière le mandataire de l'école
        websocket = await connect(uri, proxy=None, open_timeout=5)
    except (OSError, ValueError, WebSocketException) as error:
        sys.exit(
            f"Pas de serveur WebSocket à {uri} ({error}) :"
            " lance ws_i_1_server.py, ou vérifie l'adresse (-a) et le port (-p)."
        )
    async with websocket:
        conversation = asyncio.create_task(converse(websocket))
        departure = asyncio.create_task(websocket.wait_closed())
        departure.add_done_callback(lambda _: conversation.cancel())
        with suppress(EOFError, ConnectionClosed, asyncio.CancelledError):
            await conversation
        await aprint()  # quitte la ligne de saisie
        if os.name == "posix":  # aioconsole l'a rendue non bloquante : le shell la garderait ainsi
            os.set_blocking(sys.stdin.fileno(), True)
        if websocket.close_code:
            sys.exit("Le serveur est parti : relance-le, puis ce client.")


if __name__ == "__main__":
    try:
        asyncio.run(main(read_options()))
    except KeyboardInterrupt:
        pass
    except UnicodeError:
        sys.exit("Ce qui est tapé n'est pas en UTF-8 : règle l'encodage de ton terminal.")
