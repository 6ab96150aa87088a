import asyncio
import websockets

gens = []


async def handler(ws):
    pseudo = await ws.recv()
    gens.append(ws)
    await dire(ws, pseudo + " est entré")
    try:
        while True:
            m = await ws.recv()
            if m == "/quit":
                await dire(ws, pseudo + " est sorti")
                break
            await dire(ws, pseudo + " : " + m)
    except websockets.ConnectionClosed:
        pass
    gens.remove(ws)


async def dire(auteur, texte):
    for ws in gens:
        if ws is not auteur:
            try:
                await ws.send(texte)
            except websockets.ConnectionClosed:
                pass


async def main():
    async with websockets.serve(handler, "10.5.5.5", 8888):
        await asyncio.Future()

asyncio.run(main())
