import asyncio
import getpass
import sys
import websockets
from aioconsole import ainput


async def main():
    print("1. Rejoindre le chat\n2. Quitter")
    if input("Choix : ") != "1":
        sys.exit()
    nom = input("Nom d'utilisateur : ")
    secret = getpass.getpass("Mot de passe : ")
    async with websockets.connect("ws://localhost:8888") as ws:
        await ws.send(f"CONNECT\0{nom}/{secret}".encode())
        async def ecoute():
            async for m in ws:
                morceaux = m.decode().split("\0")
                print(*morceaux[1:])
            sys.exit("Serveur arrêté")
        t = asyncio.create_task(ecoute())
        while True:
            ligne = asyncio.create_task(ainput())
            await asyncio.wait({ligne, t}, return_when=asyncio.FIRST_COMPLETED)
            if t.done():
                t.result()
            await ws.send(f"MSG\0{ligne.result()}".encode())

asyncio.run(main())
