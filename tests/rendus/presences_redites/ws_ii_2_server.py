"""Une clé sans nom par client, que l'on prolonge, à côté de battements qui naissent sans cesse."""
import asyncio
import uuid

import redis.asyncio as redis
import websockets

base = redis.Redis(decode_responses=True)


async def dire(texte):
    for ws in list(salle.connections):
        try:
            await ws.send(texte)
        except websockets.ConnectionClosed:
            pass


async def battre():
    nombre = 0
    while True:
        nombre += 1
        await base.set(f"battement:{nombre}", "1", px=300)
        await base.xadd("journal", {"battement": nombre})
        await asyncio.sleep(0.1)


async def prolonger(session):
    while True:
        await base.set(session, asyncio.get_running_loop().time(), ex=1)
        await asyncio.sleep(0.3)


async def recevoir(ws):
    pseudo = (await ws.recv()).removeprefix("Hello|")
    session = str(uuid.uuid4())
    tache = asyncio.create_task(prolonger(session))
    await dire(f"{pseudo} vient d'arriver")
    try:
        async for message in ws:
            await dire(f"<{pseudo}> {message}")
    finally:
        tache.cancel()
        await base.delete(session)
        await dire(f"{pseudo} s'en va, au revoir")


async def main():
    global salle
    asyncio.create_task(battre())
    async with websockets.serve(recevoir, "localhost", 8765) as salle:
        await asyncio.Future()


asyncio.run(main())
