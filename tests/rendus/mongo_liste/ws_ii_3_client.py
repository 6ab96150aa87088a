import asyncio, json
import websockets
from aioconsole import ainput


async def main():
    async with websockets.connect("ws://10.9.9.9:8888") as ws:
        await ws.send(json.dumps({"pseudo": await ainput("pseudo> ")}))
        async def show():
            async for m in ws:
                print(json.loads(m))
        t = asyncio.create_task(show())
        while True:
            await ws.send(json.dumps({"quoi": await ainput("")}))

asyncio.run(main())
