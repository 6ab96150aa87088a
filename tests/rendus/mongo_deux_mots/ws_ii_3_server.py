import asyncio
import websockets
from pymongo import AsyncMongoClient

dits = AsyncMongoClient("192.168.56.20", 27017)["tp"]["dits"]
clients = {}


async def handler(ws):
    async for trame in ws:
        mot, _, reste = trame.partition(" ")
        if mot == "NICK":
            clients[ws] = reste
            anciens = [d["ligne"] async for d in dits.find()]
            if anciens:
                await ws.send("\n".join(anciens))
        elif mot == "PRIVMSG":
            ligne = f"<{clients[ws]}> {reste}"
            await dits.insert_one({"ligne": ligne})
            for autre in list(clients):
                await autre.send(ligne)
    clients.pop(ws, None)


async def main():
    async with websockets.serve(handler, "0.0.0.0", 6667):
        await asyncio.Future()

asyncio.run(main())
