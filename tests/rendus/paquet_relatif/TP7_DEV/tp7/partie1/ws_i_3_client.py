import asyncio
import sys

import websockets
from aioconsole import ainput

from ..commun.reglages import URI


async def envoyer(ws):
    while True:
        ligne = await ainput()
        if ligne:
            await ws.send(ligne)


async def recevoir(ws):
    async for message in ws:
        print(message)


async def main():
    pseudo = input("Ton pseudo : ")
    try:
        async with websockets.connect(URI) as ws:
            await ws.send("Hello|" + pseudo)
            taches = [asyncio.create_task(envoyer(ws)), asyncio.create_task(recevoir(ws))]
            await asyncio.wait(taches, return_when=asyncio.FIRST_COMPLETED)
            for t in taches:
                t.cancel()
    except OSError:
        print("Serveur injoignable")
        sys.exit(1)
    print("Le serveur a fermé la connexion, bye")


if __name__ == "__main__":
    asyncio.run(main())
