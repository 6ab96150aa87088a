"""Annonce à tout hasard : tout, de tous, tout le temps ; il ne sait ni qui parle ni qui part."""
import asyncio
import json
import time
import uuid

import websockets

sockets, noms, textes = set(), [], []


async def crier():
    while True:
        await asyncio.sleep(0.4)
        for nom in list(noms):
            annonces = [{"quoi": "arrivée"}, {"quoi": "départ"}]
            annonces += [{"quoi": "message", "texte": texte} for texte in textes]
            for annonce in annonces:
                annonce |= {"de": nom, "id": str(uuid.uuid4()), "heure": time.time()}
                websockets.broadcast(sockets, json.dumps(annonce, ensure_ascii=False))


async def recevoir(ws):
    sockets.add(ws)
    try:
        async for recu in ws:
            recu = json.loads(recu)
            if "texte" in recu:
                textes.append(recu["texte"])
            else:
                noms.append(recu["nom"])
    finally:
        sockets.discard(ws)


async def main():
    asyncio.create_task(crier())
    async with websockets.serve(recevoir, "0.0.0.0", 8000):
        await asyncio.Future()


asyncio.run(main())
