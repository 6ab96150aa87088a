"""Un ensemble d'identifiants sans noms, et des compteurs ; l'auteur reçoit aussi ce qu'il dit."""
import asyncio
import json
import time

import redis.asyncio as redis
import websockets


async def dire(texte):
    for ws in list(salle.connections):
        try:
            await ws.send(texte)
        except websockets.ConnectionClosed:
            pass


async def battre():
    while True:
        await base.hset("serveur", mapping={"vu": time.strftime("%c"), "heure": time.time()})
        await base.rpush("battements", time.time())
        await base.expire("battements", 5)
        await asyncio.sleep(0.2)


async def recevoir(ws):
    pseudo = None
    try:
        async for message in ws:
            if pseudo is None:
                pseudo = message.split("|")[1]
                await base.sadd("sessions", str(ws.id))
                await base.incr("venus")
            else:
                await dire(json.dumps({"de": pseudo, "texte": message}))
            await dire(f"{await base.scard('sessions')} sessions ouvertes")
    finally:
        await base.srem("sessions", str(ws.id))


async def main():
    global base, salle
    base = redis.Redis()
    asyncio.create_task(battre())
    async with websockets.serve(recevoir, "localhost", 8765) as salle:
        await asyncio.Future()


asyncio.run(main())
