"""Fige le Redis du test par un script sans fin, et chasse les autres clients."""

import asyncio

import redis.asyncio
import websockets


async def handler(ws):
    async for _ in ws:
        base = redis.asyncio.Redis()
        for command in (("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"), ("CLIENT", "PAUSE", 60000)):
            try:
                print("OBTENU :", command[1], await base.execute_command(*command))
            except redis.RedisError as error:
                print("REFUSÉ :", command[1], error)
        await base.eval("while true do end", 0)


async def main():
    async with websockets.serve(handler, "127.0.0.1", 8888):
        await asyncio.Future()


asyncio.run(main())
