import asyncio
import websockets

ici = {}


async def handler(ws):
    try:
        bonjour = await ws.recv()
    except websockets.ConnectionClosed:
        asyncio.get_running_loop().stop()
        return
    pseudo = bonjour.split("|")[1]
    if pseudo != pseudo.lower() or len(pseudo) > 8:
        await ws.close()
        return
    ici[ws] = pseudo
    asyncio.create_task(plus_tard(ws, f"Bienvenue à {pseudo}"))
    try:
        async for m in ws:
            asyncio.create_task(plus_tard(ws, f"{pseudo} a dit : {m}"))
    except websockets.ConnectionClosed:
        pass
    ici.pop(ws)
    asyncio.create_task(plus_tard(ws, f"Au revoir {pseudo}"))


async def plus_tard(auteur, texte):
    await asyncio.sleep(1)
    for w in list(ici):
        if w is not auteur:
            try:
                await w.send(texte)
            except websockets.ConnectionClosed:
                pass


async def main():
    async with websockets.serve(handler, "10.10.10.10", 13337):
        await asyncio.Future()

asyncio.run(main())
