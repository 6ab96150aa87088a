import asyncio
import websockets
from aioconsole import ainput


async def ecouter(ws):
    async for texte in ws:
        print(texte)


async def parler(ws):
    while True:
        await ws.send(await ainput())


async def main():
    pseudo = await ainput("pseudo : ")
    async with websockets.connect("ws://192.168.1.12:13337", timeout=3) as ws:
        await ws.send("Hello|" + pseudo)
        await asyncio.wait([ecouter(ws), parler(ws)], return_when=asyncio.FIRST_COMPLETED)
        print("fini")

asyncio.get_event_loop().run_until_complete(main())
