import asyncio
import websockets

chat = []


async def handler(ws):
    await ws.send("Bienvenue ! Quel est ton pseudo ?")
    pseudo = (await ws.recv()).strip()
    await ws.send(f"Enchanté {pseudo}. Ta couleur préférée ?")
    couleur = await ws.recv()
    chat.append((pseudo, couleur, ws))
    for p, c, autre in chat:
        if autre is not ws:
            await autre.send(f"{pseudo} ({couleur}) entre dans la salle.")
    try:
        while 1:
            texte = await ws.recv()
            for p, c, autre in list(chat):
                if autre is not ws:
                    await autre.send(f"{pseudo}> {texte}")
    except websockets.exceptions.ConnectionClosed:
        chat.remove((pseudo, couleur, ws))
        for p, c, autre in chat:
            await autre.send(f"{pseudo} est sorti.")


async def main():
    async with websockets.serve(handler, "192.168.1.77", 8888):
        await asyncio.Future()

asyncio.run(main())
