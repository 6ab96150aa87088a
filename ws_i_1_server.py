"""TP7, étape I.1 : un premier serveur WebSocket, qui répond à chaque message.

Ce que l'étape montre : un seul programme garde plusieurs clients à la fois, et chaque connexion
reste ouverte pour autant de messages que l'on veut.

    python ws_i_1_server.py                         # sur cette machine seulement
    python ws_i_1_server.py -a 0.0.0.0 -p 8888      # joignable depuis une autre machine

Puis, dans un autre terminal : python ws_i_1_client.py
À regarder : echo(), où chaque `await` laisse la main aux autres clients.
Ce qui ne va pas : chacun parle au serveur, personne aux autres. L'étape I.3 y remédie.
"""

import argparse
import asyncio
import signal
import sys
from contextlib import suppress

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(websocket):
    """Répond à chaque message d'un client, jusqu'à ce qu'il parte."""
    with suppress(ConnectionClosed):  # un départ brutal est un départ comme un autre
        async for message in websocket:
            print(f"<<< {message}")
            answer = f'Hello client ! Received "{message}"'
            await websocket.send(answer)
            print(f">>> {answer}")


async def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-a", "--address", default="127.0.0.1", help="adresse où écouter")
    parser.add_argument("-p", "--port", type=int, default=8888, help="port où écouter")
    options = parser.parse_args()
    try:
        server = await serve(echo, options.address, options.port)
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
    sys.stdout.reconfigure(errors="replace")  # même un terminal sans émojis
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
