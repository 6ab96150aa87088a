import asyncio
import websockets

connexions = {}


async def gerer(ws):
    connexions[ws] = (await ws.recv()).replace("Hello|", "")
    await envoyer("Un nouvel utilisateur vient d'entrer", ws)
    try:
        async for m in ws:
            await envoyer(f"({connexions[ws]}) {m}", ws)
    finally:
        del connexions[ws]
        await envoyer("Un utilisateur est sorti", ws)


async def envoyer(texte, sauf):
    for ws in [w for w in connexions if w is not sauf]:
        await ws.send(texte)


async def main():
    async with websockets.serve(gerer, "127.0.0.1", 8888):
        await asyncio.Future()

asyncio.run(main())
