import asyncio
import sys
from aioconsole import ainput
import websockets


async def ecouter(ws):
    async for ligne in ws:
        if ligne.startswith("OK"):
            await ws.send("SUITE")
        print(ligne)
    sys.exit("Plus de serveur.")


async def parler(ws):
    while True:
        await ws.send("DIRE " + await ainput(""))


async def main():
    nom = await ainput("Pseudo ? ")
    async with websockets.connect("ws://10.4.4.1:7070") as ws:
        await ws.send(f"MOI {nom}")
        await asyncio.gather(ecouter(ws), parler(ws))

asyncio.run(main())
