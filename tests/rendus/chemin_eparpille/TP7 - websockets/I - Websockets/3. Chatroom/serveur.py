import asyncio
from websockets.asyncio.server import serve

participants = {}

async def chat(ws):
    nom = ws.request.headers.get("X-Nom") or ws.request.path[1:]
    participants[nom] = ws
    for n, w in participants.items():
        if n != nom:
            await w.send(f"* {nom} entre *")
    try:
        async for m in ws:
            for n, w in participants.items():
                if n != nom:
                    await w.send(f"{nom}: {m}")
    finally:
        del participants[nom]
        for w in participants.values():
            await w.send(f"* {nom} sort *")

async def main():
    async with serve(chat, "127.0.0.1", 8001):
        await asyncio.get_running_loop().create_future()

asyncio.run(main())
