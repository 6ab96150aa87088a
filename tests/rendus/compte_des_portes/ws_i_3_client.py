import asyncio
from aioconsole import ainput
from websockets.asyncio.client import connect


async def lire(ws):
    async for message in ws:
        print(message)
    print("Le serveur s'est arrêté.")


async def ecrire(ws):
    while True:
        await ws.send(await ainput())


async def main():
    pseudo = await ainput("Ton pseudo : ")
    async with connect("ws://10.5.5.5:8888") as ws:
        await ws.send(f"Hello|{pseudo}")
        taches = [asyncio.create_task(lire(ws)), asyncio.create_task(ecrire(ws))]
        await asyncio.wait(taches, return_when=asyncio.FIRST_COMPLETED)
        taches[1].cancel()

asyncio.run(main())
