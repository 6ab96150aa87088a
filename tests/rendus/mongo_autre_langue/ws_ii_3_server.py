import asyncio
import json
from motor.motor_asyncio import AsyncIOMotorClient
from websockets.asyncio.server import serve, broadcast

phrases = AsyncIOMotorClient("mongodb://10.0.0.3:27017").salon.phrases
presents = {}


async def vie(ws):
    async for brut in ws:
        demande = json.loads(brut)
        if demande["cmd"] == "entrer":
            presents[ws] = demande["qui"]
            async for ancien in phrases.find({}, {"_id": 0}).sort("_id", -1).limit(10):
                await ws.send(json.dumps({"cmd": "ancien"} | ancien))
        elif demande["cmd"] == "parler":
            phrase = {"qui": presents[ws], "quoi": demande["quoi"]}
            await phrases.insert_one(dict(phrase))
            broadcast(presents, json.dumps({"cmd": "parole"} | phrase))
    presents.pop(ws, None)


async def main():
    async with serve(vie, "localhost", 8888) as s:
        await s.serve_forever()

asyncio.run(main())
