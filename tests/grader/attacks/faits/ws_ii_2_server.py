"""Une vraie chatroom, dont le registre de pseudos devrait faire échouer `noglobal`."""

import asyncio

import redis.asyncio
import websockets

base = redis.asyncio.Redis()
people = {}


async def handler(ws):
    pseudo = (await ws.recv()).removeprefix("Hello|")
    people[pseudo] = {"pseudo": pseudo, "ws": ws}
    await base.set(f"session:{pseudo}", pseudo)
    await tell(f"{pseudo} a rejoint la chatroom")
    try:
        async for message in ws:
            await tell(f"{pseudo} : {message}")
    finally:
        del people[pseudo]
        await base.delete(f"session:{pseudo}")
        await tell(f"{pseudo} est parti")


async def tell(text):
    for person in list(people.values()):
        await person["ws"].send(text)


async def main():
    async with websockets.serve(handler, "127.0.0.1", 8888):
        await asyncio.Future()


asyncio.run(main())
