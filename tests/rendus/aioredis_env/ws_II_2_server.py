import asyncio
import os
import uuid
import aioredis
import websockets
from dotenv import load_dotenv

load_dotenv()


async def main():
    bdd = await aioredis.from_url(f"redis://{os.environ['REDIS_HOST']}", decode_responses=True)
    prises = {}

    async def handler(ws, path):
        data = await ws.recv()
        if data.startswith("Hello|"):
            ident = uuid.uuid4().hex
            await bdd.hset(ident, mapping={"pseudo": data[6:], "connecte": 1})
            await ws.send("ID|" + ident)
            texte = "a rejoint"
        else:
            ident = data[3:]
            texte = "est de retour"
        prises[ident] = ws
        nom = await bdd.hget(ident, "pseudo")
        await tous(ident, f"{nom} {texte}")
        try:
            while True:
                await tous(ident, f"{nom} : {await ws.recv()}")
        except websockets.exceptions.ConnectionClosed:
            pass
        finally:
            prises.pop(ident)
            await bdd.hset(ident, "connecte", 0)
            await tous(ident, f"{nom} a quitté")

    async def tous(ident, texte):
        taches = [ws.send(texte) for i, ws in prises.items() if i != ident]
        await asyncio.gather(*taches, return_exceptions=True)

    async with websockets.serve(handler, os.environ["WS_ADDR"], 8888):
        await asyncio.Future()

asyncio.run(main())
