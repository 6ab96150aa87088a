"""Pareil que I.3 mais les infos des clients sont dans Redis.
   user:<uid>  hash  pseudo / color / status / joined_at / last_seen
   online      set   des uid connectés
"""
import asyncio
import json
import time
import uuid
import redis.asyncio as redis
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
import config

SOCKETS = {}          # uid -> websocket, rien d'autre (une socket ca va pas dans redis)
r = redis.Redis(host=config.REDIS_HOST, port=config.REDIS_PORT, decode_responses=True)

PING_EVERY = 5
PING_LIMIT = 15


def pack(type_, **kw):
    return json.dumps({"type": type_, "ts": int(time.time()), **kw}, ensure_ascii=False)


async def get_user(uid):
    pseudo, color = await r.hmget(f"user:{uid}", ["pseudo", "color"])
    return {"pseudo": pseudo, "color": color}


async def users():
    return [await get_user(uid) for uid in await r.smembers("online")]


async def broadcast(frame, but=None):
    dest = [ws for uid, ws in SOCKETS.items() if uid != but]
    await asyncio.gather(*(ws.send(frame) for ws in dest), return_exceptions=True)


async def heartbeat(uid, ws):
    while True:
        await asyncio.sleep(PING_EVERY)
        last = float(await r.hget(f"user:{uid}", "last_seen"))
        if time.time() - last > PING_LIMIT:
            await ws.close(1001, "heartbeat timeout")
            return
        await ws.send(pack("ping"))


async def handle(ws):
    try:
        first = json.loads(await ws.recv())
        assert first["type"] == "join" and first["user"]["pseudo"]
    except ConnectionClosed:
        return
    except (ValueError, KeyError, TypeError, AssertionError):
        await ws.send(pack("error", error={"code": 400, "detail": "join attendu"}))
        return

    uid = str(uuid.uuid4())
    async with r.pipeline(transaction=True) as p:
        p.hset(f"user:{uid}", mapping={
            "pseudo": first["user"]["pseudo"],
            "color": first["user"].get("color", "white"),
            "status": "online",
            "joined_at": time.time(),
            "last_seen": time.time(),
        })
        p.sadd("online", uid)
        await p.execute()
    SOCKETS[uid] = ws
    hb = asyncio.create_task(heartbeat(uid, ws))
    try:
        user = await get_user(uid)
        await ws.send(pack("welcome", you={"uid": uid, **user}, users=await users()))
        await broadcast(pack("presence", event={"kind": "join", "user": user}, users=await users()), but=uid)
        async for raw in ws:
            ev = json.loads(raw)
            await r.hset(f"user:{uid}", "last_seen", time.time())
            match ev.get("type"):
                case "pong":
                    pass
                case "message":
                    user = await get_user(uid)
                    frame = pack("message", id=ev["id"], **{"from": user}, content={"text": ev["content"]["text"]})
                    await broadcast(frame, but=uid)
                    await ws.send(pack("ack", id=ev["id"]))
                case _:
                    await ws.send(pack("error", error={"code": 404, "detail": "type inconnu"}))
    except ConnectionClosed:
        pass
    finally:
        hb.cancel()
        del SOCKETS[uid]
        user = await get_user(uid)
        await r.srem("online", uid)
        await r.hset(f"user:{uid}", mapping={"status": "offline", "last_seen": time.time()})
        await broadcast(pack("presence", event={"kind": "leave", "user": user}, users=await users()))


async def main():
    await r.delete("online")      # au cas ou le serveur a crash avant
    async with serve(handle, config.HOST, config.PORT) as server:
        await server.serve_forever()

if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("bye")
