import asyncio
import redis.asyncio as redis
import websockets

r = redis.Redis(host="192.168.56.102", port=6379)
sockets = {}


async def chat(ws):
    hello = await ws.recv()
    pseudo = hello.split("|")[1]
    key = "%s:%s" % ws.remote_address[:2]
    sockets[key] = ws
    await r.hset(key, mapping={"pseudo": pseudo, "statut": "en ligne"})
    try:
        async for message in ws:
            for k in await r.keys("*"):
                if k in sockets and k != key:
                    await sockets[k].send(pseudo + " a dit : " + message)
    finally:
        await r.delete(key)
        del sockets[key]


async def main():
    async with websockets.serve(chat, "192.168.56.1", 8888):
        await asyncio.Future()

asyncio.run(main())
