import asyncio
import websockets
from aioconsole import ainput


async def main():
    nom = await ainput("Nom : ")
    async with websockets.connect("ws://127.0.0.1:8888") as ws:
        async def lire():
            async for m in ws:
                print(m)
        t = asyncio.create_task(lire())
        while True:
            await ws.send(nom + ": " + await ainput())

asyncio.run(main())
