import asyncio
import redis
import websockets

PAGES = {"/": ("index.html", "text/html"), "/chat.js": ("chat.js", "text/javascript")}
base = redis.Redis(host="10.7.7.7", decode_responses=True)


async def attendre(fonction, *arguments):
    return await asyncio.get_running_loop().run_in_executor(None, fonction, *arguments)


async def salle(ws):
    nom = (await ws.recv()).removeprefix("Hello|")
    await attendre(base.set, str(ws.id), nom)
    await dire(f"{nom} a rejoint la chatroom", ws)
    try:
        async for texte in ws:
            qui = await asyncio.to_thread(base.get, str(ws.id))
            await dire(f"{qui} a dit : {texte}", ws)
    finally:
        await asyncio.to_thread(base.delete, str(ws.id))
        await dire(f"{nom} a quitté la chatroom", ws)


async def dire(texte, sauf):
    websockets.broadcast([ws for ws in serveur.connections if ws is not sauf], texte)


async def main():
    global serveur
    async with websockets.serve(salle, "0.0.0.0", 8888) as serveur:
        await asyncio.Future()

asyncio.run(main())
