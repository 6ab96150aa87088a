import asyncio
import secrets
import websockets


async def servir(ws):
    cle = secrets.token_hex(3)
    await ws.send(f"CLE {cle}")
    if await ws.recv() != f"CLE {cle[::-1]}":
        await ws.send("NON")
        return
    await ws.send("OUI")
    async for texte in ws:
        await ws.send(f"DIT Hello client ! Received '{texte}'")


async def main():
    async with websockets.serve(servir, "localhost", 9000):
        await asyncio.Future()

asyncio.run(main())
