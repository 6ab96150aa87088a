import asyncio

import websockets

from ..commun.reglages import HOTE, PORT


async def gerer(ws):
    async for message in ws:
        print(f"<<< {message}")
        await ws.send(f'Hello client ! Received "{message}"')


async def main():
    async with websockets.serve(gerer, HOTE, PORT):
        print(f"Serveur lancé sur {HOTE}:{PORT}")
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main())
