"""Simple real-time chat. Run with: python server.py"""
import asyncio
import json
import logging

import websockets

logging.basicConfig(level=logging.INFO)
ROOM: dict[str, websockets.ServerConnection] = {}


def event(name, **payload):
    return json.dumps({"event": name, "payload": payload})


async def push(message):
    if ROOM:
        await asyncio.gather(*(c.send(message) for c in ROOM.values()), return_exceptions=True)


async def session(connection):
    name = None
    async for raw in connection:
        frame = json.loads(raw)
        if frame["event"] == "sign_in":
            wanted = frame["payload"]["name"].strip()
            if wanted in ROOM:
                await connection.send(event("sign_in_failed", reason="taken"))
                continue
            name = wanted
            ROOM[name] = connection
            await push(event("roster", members=sorted(ROOM)))
        elif frame["event"] == "post" and name:
            await push(event("post", author=name, body=frame["payload"]["body"]))
    if name:
        del ROOM[name]
        await push(event("roster", members=sorted(ROOM)))


async def main():
    async with websockets.serve(session, "0.0.0.0", 3000):
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main())
