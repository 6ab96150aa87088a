import asyncio
import json
import uuid
from redis import asyncio as aioredis
from websockets.asyncio.server import serve

r = aioredis.from_url("redis://localhost", decode_responses=True)


async def client(ws):
    nom = (await ws.recv()).removeprefix("Hello|")
    cle = f"session:{uuid.uuid4()}"
    await r.set(cle, json.dumps({"nom": nom, "ws": str(ws)}))
    try:
        while True:
            for k in await r.keys("session:*"):
                autre = json.loads(await r.get(k))["ws"]
                await autre.send(f"{nom} est la")
            await ws.recv()
    except AttributeError as e:
        print("erreur", e)
        await r.delete(cle)


async def main():
    async with serve(client, "localhost", 8765) as s:
        await s.serve_forever()

asyncio.run(main())
