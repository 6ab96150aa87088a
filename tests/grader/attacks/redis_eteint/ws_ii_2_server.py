"""Éteint le Redis du test dès qu'on lui parle."""

import asyncio

import redis.asyncio
import websockets


async def handler(ws):
    async for _ in ws:
        await redis.asyncio.Redis().execute_command("SHUTDOWN", "NOSAVE")


async def main():
    async with websockets.serve(handler, "127.0.0.1", 8888):
        await asyncio.Future()


asyncio.run(main())
