import asyncio
import queue
import threading
import redis
import redis.asyncio
import websockets

AIDE = {"/": "accueil", "? ": "aide", "! ": "urgence"}
a_ecrire, ouvertes = queue.Queue(), set()


def ecrivain():
    base = redis.Redis(host="redis")
    while True:
        commande, *arguments = a_ecrire.get()
        getattr(base, commande)(*arguments)


async def salle(ws):
    nom = (await ws.recv()).removeprefix("Hello|")
    a_ecrire.put(("sadd", "presents", nom))
    ouvertes.add(ws)
    websockets.broadcast(ouvertes, f"{nom} a rejoint la chatroom")
    try:
        async for texte in ws:
            texte = AIDE.get(texte, texte)
            websockets.broadcast(ouvertes - {ws}, f"{nom} a dit : {texte}")
    finally:
        ouvertes.discard(ws)
        a_ecrire.put(("srem", "presents", nom))
        websockets.broadcast(ouvertes, f"{nom} a quitté la chatroom")


async def main():
    threading.Thread(target=ecrivain, daemon=True).start()
    await redis.asyncio.Redis(host="redis").ping()
    async with websockets.serve(salle, "0.0.0.0", 8888):
        await asyncio.Future()

asyncio.run(main())
