import asyncio
import websockets
from motor.motor_asyncio import AsyncIOMotorClient


async def handler(ws):
    pseudo = (await ws.recv()).split("|")[1]
    async for m in ws:
        if m == "/historique":
            vieux = await coll.find().to_list(length=50)
            await ws.send("\n".join(f"{v['qui']} : {v['quoi']}" for v in vieux))
            continue
        coll.insert_one({"qui": pseudo, "quoi": m})
        websockets.broadcast([c for c in server.connections if c is not ws], f"{pseudo} : {m}")


async def main():
    global server, coll
    coll = AsyncIOMotorClient("10.2.2.2", 27017).tp.messages
    async with websockets.serve(handler, "10.2.2.1", 8888) as server:
        await server.serve_forever()

asyncio.run(main())
