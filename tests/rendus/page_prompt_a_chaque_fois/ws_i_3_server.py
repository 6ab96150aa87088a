import asyncio
import datetime
import websockets

clients = {}


async def envoyer_a_tous(texte, sauf=None):
    for ws in list(clients):
        if ws is not sauf:
            try:
                await ws.send(texte)
            except websockets.exceptions.ConnectionClosed:
                pass


async def handler(websocket):
    bonjour = await websocket.recv()
    if not bonjour.startswith("Hello|"):
        return
    pseudo = bonjour.split("|")[1]
    clients[websocket] = pseudo
    await envoyer_a_tous(f"Annonce : {pseudo} a rejoint la chatroom", websocket)
    try:
        async for message in websocket:
            heure = datetime.datetime.now().strftime("%H:%M")
            await envoyer_a_tous(f"[{heure}] {pseudo} a dit : {message}", websocket)
    except websockets.exceptions.ConnectionClosedError:
        pass
    finally:
        clients.pop(websocket)
        await envoyer_a_tous(f"Annonce : {pseudo} a quitté la chatroom", websocket)


async def main():
    async with websockets.serve(handler, "10.213.4.15", 8765):
        await asyncio.Future()


asyncio.run(main())
