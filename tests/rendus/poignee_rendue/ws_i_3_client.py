import asyncio
import websockets
from aioconsole import ainput


async def ecouter(ws):
    async for message in ws:
        print(message.split("|", 1)[1].replace("|", " : "))
    print("Le serveur est parti")


async def main():
    pseudo = await ainput("Pseudo ? ")
    async with websockets.connect("ws://10.0.0.4:8888") as ws:
        await ws.send("Hello|" + pseudo)
        numero = (await ws.recv()).split("|")[1]
        await ws.send("OK|" + numero)
        tache = asyncio.create_task(ecouter(ws))
        while not tache.done():
            await ws.send(await ainput(""))

asyncio.run(main())
