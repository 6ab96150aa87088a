import asyncio
import base64
import itertools
from websockets.asyncio.server import serve, broadcast

numero = itertools.count(1)
salle = {}


def qui(connection):
    entete = connection.request.headers.get("Authorization", "")
    return base64.b64decode(entete.removeprefix("Basic ")).decode().partition(":")[0]


async def handler(connection):
    nom = qui(connection)
    if not nom:
        return await connection.close(1008, "anonyme")
    broadcast(salle, f"{next(numero)}\t+\t{nom}\t")
    salle[connection] = nom
    try:
        async for texte in connection:
            broadcast(salle, f"{next(numero)}\t=\t{nom}\t{texte}")
    finally:
        del salle[connection]
        broadcast(salle, f"{next(numero)}\t-\t{nom}\t")


async def main():
    async with serve(handler, "127.0.0.1", 8765, subprotocols=["chat.v1"]):
        await asyncio.Future()

asyncio.run(main())
