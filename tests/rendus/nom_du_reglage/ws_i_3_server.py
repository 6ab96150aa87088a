import asyncio
import websockets

tous = set()


async def relais(ws):
    tous.add(ws)
    try:
        async for m in ws:
            websockets.broadcast(tous - {ws}, m)
    finally:
        tous.remove(ws)


async def main():
    async with websockets.serve(relais, "127.0.0.1", 8888):
        await asyncio.Future()

asyncio.run(main())
