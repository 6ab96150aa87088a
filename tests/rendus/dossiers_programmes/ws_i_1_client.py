import asyncio
import os

import websockets

ADDR = os.getenv("WS_ADDR", "127.0.0.1:5050")


async def main():
    async with websockets.connect(f"ws://{ADDR}") as ws:
        await ws.send(input("Que veux-tu dire au serveur ? "))
        print(await ws.recv())

asyncio.run(main())
