import asyncio
import json
from websockets.asyncio.server import serve, broadcast

users = {}


def compte():
    broadcast(users, json.dumps({"type": "users", "count": len(users)}))


async def on_connect(ws):
    users[ws] = json.loads(await ws.recv())["username"]
    compte()
    try:
        async for brut in ws:
            m = json.loads(brut)
            broadcast(users, json.dumps({"type": "chat", "from": users[ws], "text": m["text"]}))
    finally:
        del users[ws]
        compte()


async def main():
    async with serve(on_connect, "localhost", 6789) as server:
        await server.serve_forever()

asyncio.run(main())
