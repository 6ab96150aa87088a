import asyncio
import sys

import websockets
from aioconsole import ainput

from adresse import HOST, PORT


class Chat:
    def __init__(self, pseudo):
        self.pseudo = pseudo
        self.ws = None

    async def parler(self):
        while True:
            await self.ws.send(await ainput(f"{self.pseudo}> "))

    async def ecouter(self):
        while True:
            print("\n" + await self.ws.recv())

    async def lancer(self):
        self.ws = await websockets.connect(f"ws://{HOST}:{PORT}")
        await self.ws.send(self.pseudo)
        await asyncio.gather(self.parler(), self.ecouter())


try:
    asyncio.run(Chat(input("Ton petit nom : ")).lancer())
except websockets.exceptions.ConnectionClosed:
    print("Le salon a fermé ses portes.")
except ConnectionRefusedError:
    sys.exit("Pas de salon ouvert.")
