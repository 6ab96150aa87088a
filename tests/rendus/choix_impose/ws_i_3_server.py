import asyncio
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from collections import namedtuple

Membre = namedtuple("Membre", "pseudo couleur ws")
membres = []

async def a_tous(ligne, ws=None):
    for m in [m for m in membres if m.ws is not ws]:
        try:
            await m.ws.send(ligne)
        except ConnectionClosed:
            membres.remove(m)

async def session(ws):
    await ws.send("Choisis une couleur (rouge/vert/bleu) :")
    couleur = await ws.recv()
    while couleur not in ("rouge", "vert", "bleu"):
        await ws.send("rouge, vert ou bleu seulement !")
        couleur = await ws.recv()
    await ws.send("Et ton pseudo :")
    pseudo = await ws.recv()
    moi = Membre(pseudo, couleur, ws)
    await a_tous(f"[{couleur}] {pseudo} débarque")
    membres.append(moi)
    try:
        async for t in ws:
            await a_tous(f"[{couleur}] {pseudo} : {t}", ws)
    except ConnectionClosed:
        pass
    if moi in membres:
        membres.remove(moi)
    await a_tous(f"[{couleur}] {pseudo} a filé")

async def main():
    async with serve(session, "172.18.0.1", 5050) as s:
        await s.serve_forever()
asyncio.run(main())
