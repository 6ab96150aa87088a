import asyncio
from websockets.asyncio.client import connect
from aioconsole import ainput

async def main():
    async with connect("ws://172.18.0.1:5050") as ws:
        async def ecran():
            async for t in ws:
                print(t)
        async def clavier():
            while True:
                await ws.send(await ainput())
        taches = {asyncio.create_task(ecran()), asyncio.create_task(clavier())}
        fini, _ = await asyncio.wait(taches, return_when=asyncio.FIRST_COMPLETED)
        print("fin de la discussion")
asyncio.run(main())
