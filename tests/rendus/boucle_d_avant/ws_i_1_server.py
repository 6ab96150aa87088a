import asyncio
import websockets

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


async def echo(websocket, chemin):
    while websocket.open:
        texte = await websocket.recv()
        await websocket.send(f'Hello client ! Received "{texte}"')


serveur = loop.run_until_complete(
    websockets.serve(echo, "192.168.1.12", 13337, timeout=5, loop=loop))
print(serveur.sockets, len(serveur.websockets))
loop.run_forever()
