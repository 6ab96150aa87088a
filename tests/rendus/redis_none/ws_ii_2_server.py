import asyncio
import redis.asyncio as redis
import websockets

r = redis.Redis(host="10.4.4.4")


async def chat(ws):
    hello = await ws.recv()
    ip, port = ws.remote_address[:2]
    await r.set(f"{ip}:{port}:pseudo", hello.split("|")[1])
    await ws.send("bienvenue")
    async for m in ws:
        nom = (await r.get(f"{ip}:{port}")).decode()
        for autre in server.connections:
            await autre.send(nom + " a dit : " + m)


async def main():
    global server
    async with websockets.serve(chat, "0.0.0.0", 8888) as server:
        await asyncio.Future()

asyncio.run(main())
