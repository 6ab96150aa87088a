import asyncio
import aioredis
import websockets
import uuid

async def send_all(redis, msg):
    for key in await redis.keys("*"):
        await key.send(msg)

async def handler(websocket, path):
    redis = aioredis.from_url("redis://10.8.0.3")
    data = await websocket.recv()
    if data.startswith("Hello|"):
        pseudo = data.split("|")[1]
        id = str(uuid.uuid4())
        await redis.set(id, pseudo)
        while True:
            try:
                msg = await websocket.recv()
                await send_all(redis, pseudo + " a dit " + msg)
            except websockets.exceptions.ConnectionClosed:
                await redis.delete(id)
                break

async def main():
    async with websockets.serve(handler, "10.8.0.2", 8888):
        await asyncio.Future()

if __name__ == "__main__":
    asyncio.run(main())
