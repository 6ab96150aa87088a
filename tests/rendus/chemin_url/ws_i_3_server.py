import asyncio
from urllib.parse import unquote
import websockets

PERSONNES = {}


async def salon(ws):
    nom = unquote(ws.request.path.strip("/"))
    if not nom or nom in PERSONNES:
        await ws.close(1008, "pseudo")
        return
    PERSONNES[nom] = ws
    websockets.broadcast([w for n, w in PERSONNES.items() if n != nom], f"** {nom} arrive")
    try:
        async for m in ws:
            websockets.broadcast([w for n, w in PERSONNES.items() if n != nom], f"{nom}: {m}")
    finally:
        del PERSONNES[nom]
        websockets.broadcast(PERSONNES.values(), f"** {nom} s'en va")


async def main():
    async with websockets.serve(salon, "localhost", 9001):
        await asyncio.Future()

asyncio.run(main())
