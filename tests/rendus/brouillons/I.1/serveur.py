import asyncio
import websockets


async def handler(ws):
    print(await ws.recv())  # il faut encore repondre

async def main():
    async with websockets.serve(handler, "127.0.0.1", 8888):
        await asyncio.Future()

asyncio.run(main())
