import asyncio
import websockets
from aioconsole import ainput

PSEUDO = "Camille"


async def main():
    async with websockets.connect("ws://127.0.0.1:8888") as ws:
        await ws.send(f"Hello|{PSEUDO}")

        async def lire():
            async for m in ws:
                print(m)
            print("fini")
        lecture = asyncio.create_task(lire())
        while not lecture.done():
            await ws.send(await ainput("> "))

asyncio.run(main())
