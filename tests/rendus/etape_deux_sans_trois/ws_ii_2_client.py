import asyncio
import sys
import aioconsole
import websockets


async def ecouter(ws):
    async for message in ws:
        print(message)
    print("Le serveur est parti.")
    sys.exit(1)


async def parler(ws):
    while True:
        texte = await aioconsole.ainput("")
        await ws.send(texte)
        print("Vous avez dit :", texte)


async def main():
    pseudo = await aioconsole.ainput("Choisis un pseudo : ")
    async with websockets.connect("ws://10.213.4.15:8765") as ws:
        await ws.send("Hello|" + pseudo)
        await asyncio.gather(ecouter(ws), parler(ws))


asyncio.run(main())
