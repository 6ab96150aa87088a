"""FastAPI : le ConnectionManager de sa documentation, et Redis (pub/sub) si REDIS_URL est donné.

    uvicorn --app-dir peers fastapi_server:app --port PORT --ws-per-message-deflate false

https://fastapi.tiangolo.com/advanced/websockets/#handling-disconnections-and-multiple-clients
Un seul lecteur de Redis par serveur : un abonnement par client serait plus lent encore.
"""

import asyncio
import json
import os
import uuid
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from redis.asyncio import BlockingConnectionPool, Redis

URL = os.environ.get("REDIS_URL")
# Cent auteurs à la fois épuiseraient la réserve de connexions ordinaire, et leurs messages avec.
pool = URL and BlockingConnectionPool.from_url(URL, max_connections=4, timeout=None)
redis = URL and Redis.from_pool(pool)


class ConnectionManager:
    def __init__(self):
        self.active = {}

    async def broadcast(self, author, line):
        for connection_id, websocket in list(self.active.items()):
            if connection_id != author:
                with suppress(RuntimeError, WebSocketDisconnect):  # il vient de partir
                    await websocket.send_text(line)


manager = ConnectionManager()


async def read_room():
    async with Redis.from_url(URL).pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe("room")
        while True:
            message = await pubsub.get_message(timeout=2)
            if message:
                await manager.broadcast(*json.loads(message["data"]))


@asynccontextmanager
async def lifespan(app):
    reader = asyncio.create_task(read_room()) if redis else None
    yield
    if reader:
        reader.cancel()


app = FastAPI(lifespan=lifespan)


@app.websocket("/")
async def chat(websocket: WebSocket):
    await websocket.accept()
    me = uuid.uuid4().hex
    try:
        pseudo = (await websocket.receive_text()).partition("|")[2]
        manager.active[me] = websocket
        while True:
            line = f"{pseudo} a dit : {await websocket.receive_text()}"
            if redis:
                await redis.publish("room", json.dumps([me, line]))
            else:
                await manager.broadcast(me, line)
    except WebSocketDisconnect:
        del manager.active[me]
