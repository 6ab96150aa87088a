import asyncio, json, time
import websockets
from pymongo import AsyncMongoClient
import redis.asyncio as redis

db = AsyncMongoClient("mongodb://admin:secret@10.9.9.9:27017/?authSource=admin")["tp7"]
r = redis.Redis(host="10.9.9.9")


async def h(ws):
    d = json.loads(await ws.recv())
    await r.sadd("pseudos", d["pseudo"])
    vieux = [{"de": m["de"], "quoi": m["quoi"]} async for m in db.log.find().sort("t", -1).limit(10)]
    await ws.send(json.dumps({"historique": vieux}))
    async for raw in ws:
        m = json.loads(raw)
        await db.log.insert_one({"de": d["pseudo"], "quoi": m["quoi"], "t": time.time()})
        websockets.broadcast(srv.connections - {ws}, json.dumps({"de": d["pseudo"], "quoi": m["quoi"]}))
    await r.srem("pseudos", d["pseudo"])


async def main():
    global srv
    async with websockets.serve(h, "0.0.0.0", 8888) as srv:
        await srv.serve_forever()

asyncio.run(main())
