import asyncio
import secrets
import websockets

clients = {}


async def handler(ws):
    mot, _, pseudo = (await ws.recv()).partition("|")
    numero = secrets.token_hex(4)
    await ws.send(f"ID|{numero}")
    reponse = await ws.recv()
    if mot != "Hello" or reponse != f"OK|{numero}":
        return await ws.close(1008, "mauvaise reponse")
    await envoyer(f"INFO|{pseudo} arrive", clients)
    clients[ws] = pseudo
    try:
        async for message in ws:
            await envoyer(f"MSG|{pseudo}|{message}", set(clients) - {ws})
    finally:
        del clients[ws]
        await envoyer(f"INFO|{pseudo} est parti", clients)


async def envoyer(texte, qui):
    for autre in list(qui):
        await autre.send(texte)


async def main():
    async with websockets.serve(handler, "10.0.0.4", 8888):
        await asyncio.Future()

asyncio.run(main())
