import asyncio
import json
import time
import uuid
import argparse
import websockets
from aioconsole import ainput

parser = argparse.ArgumentParser()
parser.add_argument("-H", "--host", default="192.168.122.10")
parser.add_argument("-P", "--port", type=int, default=8080)
parser.add_argument("-u", "--username", required=True, help="votre nom d'utilisateur")
args = parser.parse_args()
ID = str(uuid.uuid4())


def pack(kind, **payload):
    return json.dumps({"type": kind, "id": ID, "ts": time.time(), "payload": payload})


async def heartbeat(ws):
    while True:
        await asyncio.sleep(1)
        await ws.send(pack("ping"))


async def rx(ws):
    async for frame in ws:
        d = json.loads(frame)
        if d["type"] == "chat":
            print(f"{d['payload']['username']}: {d['payload']['content']}")
        elif d["type"] in ("joined", "left"):
            print(f"-- {d['payload']['username']} {d['type']} --")
    print("Server closed the connection")


async def tx(ws):
    while True:
        await ws.send(pack("chat", content=await ainput(">>> ")))


async def main():
    async with websockets.connect(f"ws://{args.host}:{args.port}/ws") as ws:
        await ws.send(pack("hello", username=args.username))
        tasks = [asyncio.create_task(t(ws)) for t in (rx, tx, heartbeat)]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for p in pending:
            p.cancel()


if __name__ == "__main__":
    asyncio.run(main())
