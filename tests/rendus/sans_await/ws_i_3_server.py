import asyncio
import websockets

clients = {}


async def annoncer(texte, sauf):
    for ws in clients:
        if ws != sauf:
            ws.send(texte)


async def handler(websocket, path):
    pseudo = (await websocket.recv()).split("|")[1]
    clients[websocket] = pseudo
    await annoncer(f"{pseudo} a rejoint", websocket)
    while True:
        try:
            msg = await websocket.recv()
        except websockets.ConnectionClosed:
            del clients[websocket]
            await annoncer(f"{pseudo} est parti", websocket)
            return
        for ws in clients:
            if ws != websocket:
                await ws.send(f"{pseudo} a dit : {msg}")


async def main():
    async with websockets.serve(handler, "0.0.0.0", 8888):
        await asyncio.Future()

asyncio.run(main())
