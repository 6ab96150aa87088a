"""Un stream de Redis, et un lecteur par client, comme le montrent les tutoriels.

Chaque client a sa tâche, qui attend dans XREAD sur une connexion à Redis qui lui est propre.
"""

import asyncio
import os
import sys
import uuid

from redis.asyncio import Redis
from websockets.asyncio.server import serve

redis = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True, max_connections=10_000)


async def follow(websocket, me):
    last = await redis.xrevrange("room", count=1)
    position = last[0][0] if last else "0"
    while True:
        for _, entries in await redis.xread({"room": position}, block=2000) or []:
            for position, entry in entries:  # noqa: B007 : la dernière dit d'où reprendre
                if entry["author"] != me:
                    await websocket.send(f"{entry['pseudo']} a dit : {entry['text']}")


async def chat(websocket):
    me = uuid.uuid4().hex
    pseudo = (await websocket.recv()).partition("|")[2]
    reader = asyncio.create_task(follow(websocket, me))
    try:
        async for text in websocket:
            entry = {"author": me, "pseudo": pseudo, "text": text}
            await redis.xadd("room", entry, maxlen=50_000)
    finally:
        reader.cancel()


async def main(port):
    async with serve(chat, "127.0.0.1", port, compression=None) as server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
