import asyncio
import websockets

clients = []


async def handler(ws):
    clients.append(ws)
    async for message in ws:
        print(message)


async def main():
    async with websockets.serve(handler, "127.0.0.1", 8888):
        await asyncio.Future()

asyncio.run(main())
