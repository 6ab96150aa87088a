import asyncio

import websockets

from ..commun.journal import creer_journal
from ..commun.reglages import HOTE, PORT

journal = creer_journal("chat")

# { websocket: pseudo }
clients = {}


async def annoncer(texte, sauf=None):
    cibles = [c for c in clients if c is not sauf]
    # return_exceptions : si un des clients est mort c'est pas grave
    await asyncio.gather(*(c.send(texte) for c in cibles), return_exceptions=True)


async def gerer(ws):
    global clients
    try:
        hello = await ws.recv()
        if not hello.startswith("Hello|"):
            await ws.close(1002, "Hello attendu")
            return
        pseudo = hello.split("|", 1)[1]
        clients[ws] = pseudo
        journal.info("%s arrive", pseudo)
        await annoncer(f"Annonce : {pseudo} a rejoint la chatroom", sauf=ws)

        async for message in ws:
            journal.info("%s : %s", pseudo, message)
            await annoncer(f"{pseudo} a dit : {message}", sauf=ws)
    except websockets.ConnectionClosed:
        journal.info("coupure")
    finally:
        pseudo = clients.pop(ws, None)
        if pseudo is not None:
            journal.info("%s part", pseudo)
            await annoncer(f"Annonce : {pseudo} a quitté la chatroom")


async def main():
    async with websockets.serve(gerer, HOTE, PORT):
        journal.info("en écoute sur %s:%s", HOTE, PORT)
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main())
