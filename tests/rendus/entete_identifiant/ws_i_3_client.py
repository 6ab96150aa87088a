import asyncio
import getpass
from aioconsole import ainput
from websockets.asyncio.client import connect

SIGNES = {"+": "{} arrive", "-": "{} s'en va", "=": "{} : {}"}


async def main():
    nom = await ainput("Identifiant : ")
    passe = getpass.getpass("Mot de passe : ")
    async with connect(f"ws://{nom}:{passe}@127.0.0.1:8765", subprotocols=["chat.v1"]) as ws:
        async def lire():
            async for ligne in ws:
                _, signe, qui, texte = ligne.split("\t")
                print(SIGNES[signe].format(qui, texte))
            print("Serveur arrete")
        lecture = asyncio.create_task(lire())
        while not lecture.done():
            await ws.send(await ainput())

asyncio.run(main())
