"""TP7, étape I.1 : un premier serveur WebSocket, qui répète ce qu'on lui dit.

Ce que l'étape montre : un serveur asynchrone garde plusieurs clients à la fois, et chaque
connexion reste ouverte pour autant de messages que l'on veut.

    python ws_i_1_server.py                         # sur cette machine seulement
    python ws_i_1_server.py -a 0.0.0.0 -p 8888      # joignable depuis une autre machine

Puis, dans un autre terminal : python ws_i_1_client.py
À regarder : echo(), où chaque `await` laisse la main aux autres clients.
"""

import argparse
import asyncio
import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path

from dotenv import dotenv_values
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedError


async def echo(websocket):
    """Répond à chaque message d'un client, jusqu'à ce qu'il parte."""
    with suppress(ConnectionClosedError):  # un départ brutal est un départ comme un autre
        async for message in websocket:
            if isinstance(message, bytes):
                await websocket.close(1003, "seul le texte est accepté")
                return
            print(f"<<< {message}")
            answer = f'Hello client ! Received "{message}"'
            await websocket.send(answer)
            print(f">>> {answer}")


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
    parser.add_argument("-a", "--address", help="adresse où écouter (127.0.0.1 par défaut)")
    parser.add_argument("-p", "--port", help="port où écouter (8888 par défaut)")
    options = parser.parse_args()
    options.address = options.address or setting("WS_HOST", "127.0.0.1")[0]
    port, source = (options.port, "-p") if options.port else setting("WS_PORT", "8888")
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        parser.error(f"{source} : « {port} » n'est pas un port (un nombre de 0 à 65535)")
    options.port = int(port)
    return options


async def until_stopped(server):
    """Annonce l'adresse du serveur, puis attend Ctrl+C, SIGTERM ou SIGHUP."""
    host, port = server.sockets[0].getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    with suppress(AttributeError, NotImplementedError):  # Windows n'a que Ctrl+C, qui annule tout
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, server.close)
    print(f"Serveur à l'écoute sur ws://{host}:{port} (Ctrl+C pour l'arrêter)", flush=True)
    with suppress(asyncio.CancelledError):
        await server.wait_closed()


async def main(options):
    try:
        # close_timeout : les secondes laissées à un client figé pour lire qu'on s'arrête
        server = await serve(echo, options.address, options.port, close_timeout=2)
    except (OSError, UnicodeError) as error:
        sys.exit(
            f"Impossible d'écouter sur {options.address}, port {options.port} ({error}) :"
            " choisis une adresse de cette machine avec -a, et un port libre avec -p."
        )
    async with server:  # à la sortie, chaque client est prévenu (code 1001) et attendu
        await until_stopped(server)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):  # Ctrl+C avant même d'écouter
        asyncio.run(main(read_options()))
