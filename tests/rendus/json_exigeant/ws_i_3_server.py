"""
Chatroom, tout passe en JSON :
  client -> serveur : join, message, pong
  serveur -> client : welcome, presence, message, ack, ping, error
"""
import asyncio
import json
import time
import uuid
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
import config

CLIENTS = {}          # uid -> {"ws", "user", "last_pong"}

PING_EVERY = 5
PING_LIMIT = 15


def pack(type_, **kw):
    return json.dumps({"type": type_, "ts": int(time.time()), **kw}, ensure_ascii=False)


def users():
    return [c["user"] for c in CLIENTS.values()]


async def broadcast(frame, but=None):
    dest = [c["ws"] for uid, c in CLIENTS.items() if uid != but]
    await asyncio.gather(*(ws.send(frame) for ws in dest), return_exceptions=True)


async def heartbeat(uid):
    ws = CLIENTS[uid]["ws"]
    while True:
        await asyncio.sleep(PING_EVERY)
        if time.monotonic() - CLIENTS[uid]["last_pong"] > PING_LIMIT:
            await ws.close(1001, "heartbeat timeout")
            return
        await ws.send(pack("ping"))


async def handle(ws):
    # le premier event DOIT etre un join
    try:
        first = json.loads(await ws.recv())
        user = first["user"]
        assert first["type"] == "join" and user["pseudo"]
    except ConnectionClosed:
        return
    except (ValueError, KeyError, TypeError, AssertionError):
        await ws.send(pack("error", error={"code": 400, "detail": "join attendu"}))
        return

    uid = str(uuid.uuid4())
    CLIENTS[uid] = {"ws": ws, "user": user, "last_pong": time.monotonic()}
    hb = asyncio.create_task(heartbeat(uid))
    print(f"[+] {user['pseudo']} ({len(CLIENTS)} connectes)")
    try:
        await ws.send(pack("welcome", you={"uid": uid, **user}, users=users()))
        await broadcast(pack("presence", event={"kind": "join", "user": user}, users=users()), but=uid)
        async for raw in ws:
            ev = json.loads(raw)
            match ev.get("type"):
                case "pong":
                    CLIENTS[uid]["last_pong"] = time.monotonic()
                case "message":
                    frame = pack("message", id=ev["id"], **{"from": user}, content={"text": ev["content"]["text"]})
                    await broadcast(frame, but=uid)
                    await ws.send(pack("ack", id=ev["id"]))
                case _:
                    await ws.send(pack("error", error={"code": 404, "detail": "type inconnu"}))
    except ConnectionClosed:
        pass
    finally:
        hb.cancel()
        del CLIENTS[uid]
        print(f"[-] {user['pseudo']} ({len(CLIENTS)} connectes)")
        await broadcast(pack("presence", event={"kind": "leave", "user": user}, users=users()))


async def main():
    async with serve(handle, config.HOST, config.PORT) as server:
        await server.serve_forever()

if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("bye")
