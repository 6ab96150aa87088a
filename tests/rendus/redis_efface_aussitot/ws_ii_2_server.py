import asyncio
import redis.asyncio as redis
import websockets

bdd = redis.Redis(host="192.168.1.5")


async def handler(ws):
    message = await ws.recv()
    pseudo = message.split("|")[1]
    await bdd.sadd("presents", pseudo)
    try:
        for autre in await bdd.smembers("presents"):
            await autre.send(f"{pseudo} arrive")
        async for message in ws:
            for autre in await bdd.smembers("presents"):
                await autre.send(f"{pseudo} : {message}")
    finally:
        await bdd.srem("presents", pseudo)


async def main():
    async with websockets.serve(handler, "127.0.0.1", 8888):
        await asyncio.Future()

asyncio.run(main())
