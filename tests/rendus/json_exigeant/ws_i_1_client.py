import asyncio
import json
from websockets.asyncio.client import connect
import config


async def main():
    async with connect(f"ws://{config.HOST}:{config.PORT}") as ws:
        msg = input("Votre message : ")
        await ws.send(json.dumps({"type": "message", "data": {"text": msg}}))
        rep = json.loads(await ws.recv())
        print(rep["data"]["text"])

asyncio.run(main())
