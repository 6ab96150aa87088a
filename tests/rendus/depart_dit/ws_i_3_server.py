import asyncio
import websockets
from dotenv import load_dotenv
import os

load_dotenv()
salon = set()


async def gestion(ws):
    salon.add(ws)
    try:
        async for texte in ws:
            pseudo, contenu = texte.split(";", 1)
            if contenu == "JOIN":
                contenu = "a rejoint le salon"
            if contenu == "QUIT":
                contenu = "a quitte le salon"
            for autre in list(salon):
                if autre is ws:
                    continue
                try:
                    await autre.send(pseudo + ";" + contenu)
                except websockets.ConnectionClosed:
                    salon.discard(autre)
    except websockets.ConnectionClosed:
        pass
    salon.discard(ws)


async def main():
    async with websockets.serve(gestion, os.getenv("HOST"), int(os.getenv("PORT"))):
        await asyncio.Future()

asyncio.run(main())
