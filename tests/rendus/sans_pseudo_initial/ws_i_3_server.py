import asyncio
import websockets

ecoute = set()


async def handler(ws):
    ecoute.add(ws)
    nom = None
    try:
        async for m in ws:
            if nom is None:
                nom = m.split(":")[0]
            for w in ecoute - {ws}:
                await w.send(m)
    finally:
        ecoute.remove(ws)


async def main():
    async with websockets.serve(handler, "127.0.0.1", 8888):
        await asyncio.Future()

asyncio.run(main())
