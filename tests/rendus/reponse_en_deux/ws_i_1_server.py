import asyncio
import websockets


async def handler(ws):
    async for msg in ws:
        await ws.send("Hello client !")
        await asyncio.sleep(0.8)
        await ws.send('Received "')
        await ws.send(f'{msg}"')


async def main():
    async with websockets.serve(handler, "", 8765):
        await asyncio.Future()


asyncio.run(main())
