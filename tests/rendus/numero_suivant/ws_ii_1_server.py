import asyncio
import uuid
import redis.asyncio as redis
import websockets

r = redis.Redis(host="10.213.4.20", port=6379, decode_responses=True)


async def envoyer_a_tous(texte, sauf=None):
    for ws in list(serveur.connections):
        if ws is not sauf:
            try:
                await ws.send(texte)
            except websockets.exceptions.ConnectionClosed:
                pass


async def handler(websocket):
    pseudo = (await websocket.recv()).split("|")[1]
    cle = f"client:{uuid.uuid4()}"
    await r.hset(cle, mapping={"pseudo": pseudo, "connecte": "oui"})
    await envoyer_a_tous(f"Annonce : {pseudo} a rejoint la chatroom", websocket)
    try:
        async for message in websocket:
            qui = await r.hget(cle, "pseudo")
            await envoyer_a_tous(f"{qui} a dit : {message}", websocket)
    except websockets.exceptions.ConnectionClosedError:
        pass
    finally:
        await r.hset(cle, "connecte", "non")
        await envoyer_a_tous(f"Annonce : {pseudo} a quitté la chatroom", websocket)


async def main():
    global serveur
    async with websockets.serve(handler, "10.213.4.15", 13337) as serveur:
        await asyncio.Future()


asyncio.run(main())
