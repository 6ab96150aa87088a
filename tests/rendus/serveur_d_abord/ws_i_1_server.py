import asyncio
import json
from websockets.asyncio.server import serve


async def echo(ws):
    await ws.send(json.dumps({"etat": "pret"}))
    async for texte in ws:
        await ws.send(json.dumps({"etat": "recu", "phrase": f'Hello client ! Received "{texte}"'}))


async def main():
    async with serve(echo, "10.1.1.3", 8765) as server:
        await server.serve_forever()

asyncio.run(main())
