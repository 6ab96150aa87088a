import asyncio
import json
import redis.asyncio as redis
import websockets

CLIENTS = {}
base = redis.Redis(host="10.4.4.4")


async def chat(ws, path):
    hello = await ws.recv()
    CLIENTS[ws] = hello.split("|")[1]
    await base.rpush("arrivees", CLIENTS[ws])
    await base.set("client:" + CLIENTS[ws], json.dumps({"etat": "la"}))
    await tous(CLIENTS[ws] + " arrive", ws)
    try:
        async for m in ws:
            await tous(CLIENTS[ws] + " : " + m, ws)
    except websockets.ConnectionClosed:
        pass
    finally:
        nom = CLIENTS.pop(ws)
        await base.set("client:" + nom, json.dumps({"etat": "parti"}))
        await tous(nom + " part", ws)


async def tous(texte, sauf):
    for ws in list(CLIENTS):
        if ws != sauf:
            await ws.send(texte)


async def main():
    async with websockets.serve(chat, "0.0.0.0", 8888):
        await asyncio.Future()

asyncio.run(main())
