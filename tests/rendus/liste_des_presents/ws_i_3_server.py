#!/usr/bin/env python3
# TP7 - chatroom
import asyncio
import json
import logging
import websockets

logging.basicConfig(level=logging.INFO)
USERS = {}

async def maj():
    """envoie la liste des connectés à tout le monde"""
    liste = json.dumps({"type": "users", "users": list(USERS.values())})
    websockets.broadcast(USERS.keys(), liste)

async def handler(ws):
    try:
        async for raw in ws:
            data = json.loads(raw)
            if data["type"] == "login":
                USERS[ws] = data["name"]
                await maj()
            elif data["type"] == "msg":
                for w in list(USERS):
                    try:
                        await w.send(json.dumps({"type": "msg", "from": USERS[ws], "text": data["text"]}))
                    except websockets.ConnectionClosed:
                        pass
    except websockets.ConnectionClosed:
        logging.info("parti sans dire au revoir")
    finally:
        USERS.pop(ws, None)
        await maj()

async def main():
    async with websockets.serve(handler, "172.16.40.3", 9001):
        await asyncio.Future()

if __name__ == "__main__":
    asyncio.run(main())
