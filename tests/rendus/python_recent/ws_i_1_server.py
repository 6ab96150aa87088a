import asyncio
import websockets


async def handler(ws):
    async for message in ws:
        reponse = {"texte": message}
        await ws.send(f"Hello client ! Received « {reponse["texte"]} »")


async def main():
    async with websockets.serve(handler, "127.0.0.1", 8888):
        await asyncio.Future()

asyncio.run(main())
