import asyncio
import websockets


async def handler(ws):
    await ws.recv()
    await ws.send("Bienvenue ! Parle-moi.")
    async for msg in ws:
        await ws.send(f'Hello client ! Received "{msg}"')


async def main():
    async with websockets.serve(handler, "", 8765):
        await asyncio.Future()


asyncio.run(main())
