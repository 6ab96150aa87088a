import asyncio
import json
from websockets.asyncio.server import serve

tous = {}


async def annoncer(**trame):
    for ws in list(tous):
        await ws.send(json.dumps({"action": "dire", **trame}))


async def salle(ws):
    tous[ws] = json.loads(await ws.recv())["nom"]
    await annoncer(nom="Salon", mot=f"{tous[ws]} est entré")
    async for brut in ws:
        await annoncer(nom=tous[ws], mot=json.loads(brut)["mot"])
    await annoncer(nom="Salon", mot=f"{tous.pop(ws)} est parti")


async def main():
    async with serve(salle, "10.9.9.8", 9009) as server:
        await server.serve_forever()

asyncio.run(main())
