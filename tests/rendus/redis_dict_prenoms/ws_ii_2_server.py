import asyncio
import redis.asyncio as redis
import websockets

r = redis.Redis(decode_responses=True)
prises = {}


async def handler(ws):
    pseudo = (await ws.recv()).split("|")[1]
    await r.hset("sessions", pseudo, "connecte")
    prises[pseudo] = ws
    await dire(f"{pseudo} arrive", pseudo)
    try:
        async for message in ws:
            await dire(f"{pseudo} : {message}", pseudo)
    finally:
        prises.pop(pseudo)
        await r.hdel("sessions", pseudo)
        await dire(f"{pseudo} part", pseudo)


async def dire(texte, auteur):
    for nom in await r.hkeys("sessions"):
        if nom != auteur and nom in prises:
            await prises[nom].send(texte)


async def main():
    async with websockets.serve(handler, "127.0.0.1", 8888):
        await asyncio.Future()

asyncio.run(main())
