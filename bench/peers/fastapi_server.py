"""FastAPI : le `broadcast` de sa documentation, et Redis (pub/sub).

REDIS_URL=... uvicorn --app-dir peers fastapi_server:app --port PORT

https://fastapi.tiangolo.com/advanced/websockets/#handling-disconnections-and-multiple-clients
Un seul lecteur de Redis par serveur : un abonnement par client serait plus lent encore.
"""

import asyncio
import json
import os
import uuid
from contextlib import suppress

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from redis.asyncio import BlockingConnectionPool, Redis

URL = os.environ["REDIS_URL"]
# Cent auteurs à la fois épuiseraient la réserve de connexions ordinaire, et leurs messages avec.
redis = Redis.from_pool(BlockingConnectionPool.from_url(URL, max_connections=4, timeout=None))
connections = {}


async def read_room():
    async with Redis.from_url(URL).pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe("room")
        while True:
            message = await pubsub.get_message(timeout=2)
            author, line = json.loads(message["data"]) if message else (None, "")
            for me, websocket in list(connections.items()) if line else ():
                if me != author:
                    await websocket.send_text(line)


app = FastAPI()


@app.websocket("/")
async def chat(websocket: WebSocket):
    await websocket.accept()
    me = uuid.uuid4().hex
    if not hasattr(app.state, "reader"):  # le premier arrivé lance le lecteur de tous
        app.state.reader = asyncio.create_task(read_room())
    pseudo = (await websocket.receive_text()).partition("|")[2]
    connections[me] = websocket
    with suppress(WebSocketDisconnect):
        while True:
            line = f"{pseudo} a dit : {await websocket.receive_text()}"
            await redis.publish("room", json.dumps([me, line]))
    del connections[me]
