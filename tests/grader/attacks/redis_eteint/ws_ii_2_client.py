"""Un vrai client, pour que l'on sache comment parler au serveur d'à côté."""

import asyncio
import sys

import websockets


async def main():
    loop = asyncio.get_running_loop()
    async with websockets.connect("ws://127.0.0.1:8888") as ws:
        print("Pseudo ?")
        await ws.send("Hello|" + (await loop.run_in_executor(None, sys.stdin.readline)).strip())
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            await ws.send(line.strip())


asyncio.run(main())
