"""TP7, étape I.1 : un premier client WebSocket, dans le terminal.

Ce que l'étape montre : une connexion s'ouvre une fois, puis sert pour tous les messages ; `ainput`
attend le clavier sans bloquer le reste du programme, au contraire d'`input`.

    python ws_i_1_client.py                               # le serveur de cette machine
    python ws_i_1_client.py -a 192.168.56.10 -p 8888      # un serveur sur une autre machine

Ctrl+D ou Ctrl+C pour partir. À regarder : converse(), et ce que change chaque `await`.
Ce qui ne va pas : pendant qu'il attend le clavier, il n'écoute pas le serveur, et n'apprend son
départ qu'au message suivant. Le client de l'étape I.3 y remédie.
"""

import argparse
import asyncio
import sys
from contextlib import suppress

from aioconsole import ainput, aprint
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException


async def converse(websocket):
    """Envoie chaque ligne tapée et affiche la réponse."""
    while True:
        await websocket.send(await ainput("Ton message : "))
        await aprint(await websocket.recv())


async def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-a", "--address", default="127.0.0.1", help="adresse du serveur")
    parser.add_argument("-p", "--port", type=int, default=8888, help="port du serveur")
    options = parser.parse_args()
    uri = f"ws://{options.address}:{options.port}"
    try:
        async with connect(uri, proxy=None) as websocket:  # sans le mandataire de l'école
            with suppress(EOFError):  # Ctrl+D : c'est toi qui pars
                await converse(websocket)
            print()
    except ConnectionClosed:
        sys.exit("Le serveur est parti : relance-le, puis ce client.")
    except (OSError, ValueError, WebSocketException) as error:
        sys.exit(f"Pas de serveur WebSocket à {uri} ({error}) : lance-le, ou vérifie -a et -p.")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
