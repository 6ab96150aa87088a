import asyncio
import websockets
from aioconsole import ainput


async def main():
    async with websockets.connect("ws://localhost:9000") as ws:
        mot, _, cle = (await ws.recv()).partition(" ")
        await ws.send(f"{mot} {cle[::-1]}")
        if await ws.recv() != "OUI":
            print("refusé")
            return
        await ws.send(await ainput("> "))
        mot, _, phrase = (await ws.recv()).partition(" ")
        if mot == "DIT":
            print(phrase)

asyncio.run(main())
