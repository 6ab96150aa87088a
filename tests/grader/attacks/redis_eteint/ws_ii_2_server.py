"""Une vraie chatroom, qui éteint le Redis du test à chaque message."""

import asyncio

import redis.asyncio
import websockets

base = redis.asyncio.Redis()
here = set()


async def handler(ws):
    pseudo = (await ws.recv()).removeprefix("Hello|")
    here.add(ws)
    await base.set(f"session:{pseudo}", pseudo)
    websockets.broadcast(here, f"{pseudo} a rejoint la chatroom")
    try:
        async for message in ws:
            try:
                await base.execute_command("SHUTDOWN", "NOSAVE")
            except redis.RedisError as error:
                print("REFUSÉ : SHUTDOWN", error)
            websockets.broadcast(here, f"{pseudo} : {message}")
    finally:
        here.discard(ws)
        await base.delete(f"session:{pseudo}")
        websockets.broadcast(here, f"{pseudo} est parti")


async def main():
    async with websockets.serve(handler, "127.0.0.1", 8888):
        await asyncio.Future()


asyncio.run(main())
