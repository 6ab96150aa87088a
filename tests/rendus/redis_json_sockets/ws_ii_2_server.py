import asyncio
import json
import redis.asyncio as aredis
import websockets

SOCKETS = {}
db = aredis.from_url("redis://:motdepasse@192.168.56.10:6379/3")


async def handler(ws):
    bonjour = await ws.recv()
    pseudo = bonjour[len("Hello|"):]
    ident = f"{ws.remote_address[0]}:{ws.remote_address[1]}"
    SOCKETS[ident] = ws
    await db.set(ident, json.dumps({"pseudo": pseudo, "since": 0}))
    try:
        await diffuse(ident, "est arrivé")
        async for m in ws:
            await diffuse(ident, m)
    finally:
        await diffuse(ident, "est parti")
        SOCKETS.pop(ident)
        await db.delete(ident)


async def diffuse(ident, texte):
    session = json.loads(await db.get(ident))
    for cle in await db.keys():
        cle = cle.decode()
        if cle != ident and cle in SOCKETS:
            try:
                await SOCKETS[cle].send(session["pseudo"] + " : " + texte)
            except websockets.ConnectionClosed:
                pass


async def main():
    await db.flushdb()
    async with websockets.serve(handler, "192.168.56.1", 7777):
        await asyncio.Future()

asyncio.run(main())
