"""Meme chat qu'au I.3 mais les infos des clients sont dans Redis."""
import asyncio
import uuid

import redis.asyncio as redis
import websockets

from ..commun.journal import creer_journal
from ..commun.reglages import HOTE, PORT, REDIS_HOTE, REDIS_PORT

journal = creer_journal("chat-redis")

# on peut pas mettre une socket dans redis donc on garde juste les sockets ici (id -> socket)
sockets = {}


async def annoncer(texte, sauf=None):
    await asyncio.gather(
        *(s.send(texte) for i, s in list(sockets.items()) if i != sauf),
        return_exceptions=True,
    )


def fabrique(db):
    async def gerer(ws):
        ident = str(uuid.uuid4())
        cle = f"client:{ident}"
        try:
            hello = await ws.recv()
            pseudo = hello.partition("|")[2]
            ip, port = ws.remote_address[:2]
            await db.hset(cle, mapping={"pseudo": pseudo, "ip": ip, "port": port})
            sockets[ident] = ws
            await annoncer(f"Annonce : {pseudo} a rejoint la chatroom", sauf=ident)
            async for message in ws:
                qui = await db.hget(cle, "pseudo")
                await annoncer(f"{qui} a dit : {message}", sauf=ident)
        except websockets.ConnectionClosed:
            pass
        finally:
            sockets.pop(ident, None)
            qui = await db.hget(cle, "pseudo")
            if qui:
                await db.delete(cle)
                await annoncer(f"Annonce : {qui} a quitté la chatroom")

    return gerer


async def main():
    async with redis.Redis(host=REDIS_HOTE, port=REDIS_PORT, decode_responses=True) as db:
        async with websockets.serve(fabrique(db), HOTE, PORT):
            journal.info("en écoute sur %s:%s", HOTE, PORT)
            await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main())
