"""Répond des milliers de fois plus qu'on ne lui en demande : 40 Mo."""

import asyncio

import websockets


async def handler(ws):
    async for _ in ws:
        for _ in range(40):
            await ws.send("x" * 1_000_000)


async def main():
    async with websockets.serve(handler, "127.0.0.1", 8888, max_size=None):
        await asyncio.Future()


asyncio.run(main())
