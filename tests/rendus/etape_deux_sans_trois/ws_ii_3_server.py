import asyncio
import json
import redis.asyncio as redis
from websockets.asyncio.server import serve

r = redis.from_url("redis://localhost:6380", decode_responses=True)


async def relire(ws, moi):
    async with r.pubsub() as canal:
        await canal.subscribe("salle")
        async for recu in canal.listen():
            if recu["type"] == "message":
                auteur, texte = json.loads(recu["data"])
                if auteur != moi:
                    await ws.send(texte)


async def dire(auteur, texte):
    await r.publish("salle", json.dumps([auteur, texte]))


async def gerer(ws):
    moi = (await ws.recv())[6:]
    tache = asyncio.create_task(relire(ws, moi))
    await asyncio.sleep(0.05)
    await r.zadd("en_ligne", {moi: 1})
    await dire(moi, f"*** {moi} entre")
    try:
        async for texte in ws:
            await dire(moi, f"{moi} : {texte}")
    finally:
        tache.cancel()
        await r.zrem("en_ligne", moi)
        await dire(moi, f"*** {moi} sort")


async def main():
    async with serve(gerer, "192.168.0.1", 8888) as s:
        await s.serve_forever()

asyncio.run(main())
