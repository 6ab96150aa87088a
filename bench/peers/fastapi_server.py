"""FastAPI : le `broadcast` de sa documentation, à travers Redis (pub/sub) si REDIS_URL est donné.

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

URL = os.environ.get("REDIS_URL")
# Cent auteurs à la fois épuiseraient la réserve de connexions ordinaire, et leurs messages avec.
pool = URL and BlockingConnectionPool.from_url(URL, max_connections=4, timeout=None)
redis = URL and Redis.from_pool(pool)
connections = {}
app = FastAPI()


async def broadcast(author, line):
    for me, websocket in list(connections.items()):
        if me != author:
            await websocket.send_text(line)


async def read_room():
    async with Redis.from_url(URL).pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe("room")
        while True:
            if message := await pubsub.get_message(timeout=2):
                await broadcast(*json.loads(message["data"]))


@app.websocket("/")
async def chat(websocket: WebSocket):
    await websocket.accept()
    if redis and not hasattr(app.state, "reader"):  # le premier arrivé lance le lecteur de tous
        app.state.reader = asyncio.create_task(read_room())
    me = uuid.uuid4().hex
    pseudo = (await websocket.receive_text()).partition("|")[2]
    connections[me] = websocket
    with suppress(WebSocketDisconnect):
        while True:
            line = f"{pseudo} a dit : {await websocket.receive_text()}"
            if redis:
                await redis.publish("room", json.dumps([me, line]))
            else:
                await broadcast(me, line)
    del connections[me]
