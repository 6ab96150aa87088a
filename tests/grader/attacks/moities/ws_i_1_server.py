"""Répond une moitié de caractère, que rien ne sait écrire dans un fichier."""

import asyncio

import websockets


async def handler(ws):
    async for _ in ws:
        await ws.send(r"Hello \ud800")


async def main():
    async with websockets.serve(handler, "127.0.0.1", 8888):
        await asyncio.Future()


asyncio.run(main())
