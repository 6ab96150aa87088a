import asyncio
import websockets
from aioconsole import ainput
from dotenv import load_dotenv
import os

load_dotenv()
HOST = os.getenv("HOST")
PORT = os.getenv("PORT")


async def affiche(ws):
    while True:
        recu = await ws.recv()
        qui, quoi = recu.split(";", 1)
        print(qui, "->", quoi)


async def main():
    pseudo = ""
    while not pseudo.isalpha():
        pseudo = await ainput("Ton pseudo (que des lettres) : ")
    try:
        async with websockets.connect("ws://" + HOST + ":" + PORT) as ws:
            await ws.send(pseudo + ";JOIN")
            tache = asyncio.create_task(affiche(ws))
            while True:
                m = await ainput()
                if m == "/quit":
                    await ws.send(pseudo + ";QUIT")
                    break
                await ws.send(pseudo + ";" + m)
            tache.cancel()
    except (websockets.ConnectionClosed, ConnectionRefusedError):
        print("Plus de serveur, bye")

asyncio.run(main())
