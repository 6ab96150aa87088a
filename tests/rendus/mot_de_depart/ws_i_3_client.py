import asyncio
import os
import websockets
from aioconsole import ainput


async def main():
    async with websockets.connect("ws://10.5.5.5:8888") as ws:
        await ws.send(await ainput("Pseudo : "))

        async def lire():
            async for m in ws:
                print(m)
            print("Le serveur a coupé")
            os._exit(0)
        t = asyncio.create_task(lire())
        while True:
            m = await ainput()
            await ws.send(m)
            if m == "/quit":
                return

asyncio.run(main())
