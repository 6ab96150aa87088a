import asyncio
import websockets

presents = {}


async def chat(websocket, path):
    pseudo = (await websocket.recv()).split("|")[1]
    presents[websocket] = pseudo
    await dire(websocket, f"{pseudo} arrive")
    try:
        async for texte in websocket:
            await dire(websocket, f"<{pseudo}> {texte}")
    finally:
        del presents[websocket]
        await dire(None, f"{pseudo} est parti")


async def dire(auteur, phrase):
    autres = [w.send(phrase) for w in presents if w is not auteur and not w.closed]
    if autres:
        await asyncio.wait(autres)


asyncio.get_event_loop().run_until_complete(websockets.serve(chat, "192.168.1.12", 13337))
asyncio.get_event_loop().run_forever()
