import asyncio
import json
from pymongo import AsyncMongoClient
from websockets.asyncio.server import serve

tous = {}


async def envoyer(cibles, **trame):
    for ws in list(cibles):
        await ws.send(json.dumps(trame))


async def salle(ws):
    async for brut in ws:
        trame = json.loads(brut)
        match trame["action"]:
            case "entrer":
                tous[ws] = trame["nom"]
                await envoyer([ws], action="bienvenue")
            case "archives":
                vieux = await messages.find({}, {"_id": 0}).sort("_id", -1).to_list(50)
                await envoyer([ws], action="archives", messages=vieux)
            case "dire":
                dit = {"nom": tous[ws], "mot": trame["mot"]}
                await messages.insert_one(dict(dit))
                await envoyer(tous, action="dire", **dit)
    del tous[ws]


async def main():
    global messages
    messages = AsyncMongoClient("10.9.9.9").chat.messages
    async with serve(salle, "10.9.9.8", 9009) as server:
        await server.serve_forever()

asyncio.run(main())
