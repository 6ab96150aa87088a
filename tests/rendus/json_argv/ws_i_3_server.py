import asyncio, json, argparse
import websockets

p = argparse.ArgumentParser()
p.add_argument("host")
p.add_argument("port", type=int)
args = p.parse_args()
ROOM = []


async def bcast(event):
    for u in ROOM:
        await u["ws"].send(json.dumps(event))


async def handler(ws):
    me = None
    try:
        async for raw in ws:
            ev = json.loads(raw)
            if ev["action"] == "join":
                me = {"ws": ws, "name": ev["user"].capitalize()}
                ROOM.append(me)
                await bcast({"action": "joined", "user": me["name"]})
            elif ev["action"] == "say":
                await bcast({"action": "said", "user": me["name"], "text": ev["text"]})
    except websockets.ConnectionClosed:
        pass
    finally:
        if me in ROOM:
            ROOM.remove(me)
            await bcast({"action": "left", "user": me["name"]})


async def main():
    async with websockets.serve(handler, args.host, args.port):
        await asyncio.get_running_loop().create_future()

asyncio.run(main())
