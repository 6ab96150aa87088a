import asyncio
import redis.asyncio as redis
import websockets

r = redis.Redis(decode_responses=True)


async def noter(texte):
    print(texte)


async def dire(texte):
    for ws in list(serveur.connections):
        try:
            await ws.send(texte)
        except websockets.ConnectionClosed:
            pass


async def handler(ws):
    pseudo = (await ws.recv()).removeprefix("Hello|")
    await r.sadd("presents", pseudo)
    noter(f"{pseudo} arrive")
    await dire(f"{pseudo} a rejoint la chatroom")
    try:
        async for message in ws:
            await dire(f"{pseudo} : {message}")
    except websockets.ConnectionClosedError:
        pass
    finally:
        await asyncio.gather(r.srem("presents", pseudo), dire(pseudo.decode() + " est parti"))


async def main():
    global serveur
    async with websockets.serve(handler, "", 8765) as serveur:
        await asyncio.Future()


asyncio.run(main())
