import asyncio
import json
import aioconsole
from websockets.asyncio.client import connect


async def main():
    async with connect("ws://10.1.1.3:8765") as ws:
        if json.loads(await ws.recv())["etat"] != "pret":
            raise SystemExit("le serveur n'est pas prêt")
        await ws.send(await aioconsole.ainput("Ton message : "))
        print("Le serveur dit :", json.loads(await ws.recv())["phrase"])

asyncio.run(main())
