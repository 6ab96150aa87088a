import asyncio
import websockets


async def handler(ws):
    await ws.send("Bienvenue sur le serveur")
    msg = await ws.recv()
    print(msg)
    await ws.send("message bien recu")
    await ws.send(f"Hello client ! Received \"{msg}\"".encode())
    await ws.close()


start = websockets.serve(handler, "localhost", 8765)
loop = asyncio.get_event_loop()
loop.run_until_complete(start)
loop.run_forever()
