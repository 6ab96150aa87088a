import asyncio
import json
import websockets

users = {}


async def handler(ws):
    try:
        async for raw in ws:
            data = json.loads(raw)
            if data["type"] == "register":
                users[ws] = data["username"]
                websockets.broadcast(users, json.dumps({"type": "info", "content": data["username"] + " joined"}))
            elif data["type"] == "message":
                websockets.broadcast(users, json.dumps({"type": "message", "username": users[ws], "content": data["content"]}))
    finally:
        name = users.pop(ws, None)
        websockets.broadcast(users, json.dumps({"type": "info", "content": f"{name} left"}))


async def main():
    async with websockets.serve(handler, "127.0.0.1", 5000):
        await asyncio.Future()

asyncio.run(main())
