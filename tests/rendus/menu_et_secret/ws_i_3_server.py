import asyncio, json
import websockets

connectes = {}


async def handler(ws):
    async for brut in ws:
        t, contenu = brut.split(b"\x00", 1)
        if t == b"CONNECT":
            nom, secret = contenu.decode().split("/")
            if secret != "secret":
                await ws.close()
                return
            connectes[ws] = nom
            await autres(ws, b"INFO\x00" + nom.encode() + " connecté".encode())
        elif t == b"MSG":
            await autres(ws, b"MSG\x00" + connectes[ws].encode() + b"\x00" + contenu)
    nom = connectes.pop(ws)
    await autres(ws, b"INFO\x00" + nom.encode() + " déconnecté".encode())


async def autres(ws, octets):
    await asyncio.gather(*(c.send(octets) for c in connectes if c is not ws), return_exceptions=True)


async def main():
    async with websockets.serve(handler, None, 8888):
        await asyncio.Future()

asyncio.run(main())
