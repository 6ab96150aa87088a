import asyncio

import websockets

from adresse import HOST, PORT
from reponse import fabriquer_reponse


async def handler(ws):
    async for msg in ws:
        print(msg)
        await ws.send(fabriquer_reponse(msg))


async def main():
    async with websockets.serve(handler, HOST, PORT):
        await asyncio.Event().wait()

asyncio.run(main())
