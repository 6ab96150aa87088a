import asyncio
import websockets
from motor.motor_asyncio import AsyncIOMotorClient

dits = AsyncIOMotorClient("mongodb://10.4.4.4:27017").salon.dits
autour = set()


async def salle(ws):
    nom = (await ws.recv()).split(" ", 1)[1]
    await ws.send(f"OK {nom}")
    websockets.broadcast(autour, f"+ {nom}")
    autour.add(ws)
    try:
        async for ligne in ws:
            ordre, _, texte = ligne.partition(" ")
            if ordre == "SUITE":
                async for dit in dits.find():
                    await ws.send(f"= {dit['nom']} {dit['texte']}")
            elif ordre == "DIRE":
                await dits.insert_one({"nom": nom, "texte": texte})
                websockets.broadcast(autour - {ws}, f"= {nom} {texte}")
    finally:
        autour.discard(ws)
        websockets.broadcast(autour, f"- {nom}")


async def main():
    async with websockets.serve(salle, "10.4.4.1", 7070):
        await asyncio.Future()

asyncio.run(main())
