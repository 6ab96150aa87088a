import asyncio
from websockets.asyncio.server import broadcast, serve

ouvertes, clients = set(), {}


def compter():
    broadcast(ouvertes, f"Connexions : {len(ouvertes)}")


async def accueillir(ws):
    ouvertes.add(ws)
    compter()
    try:
        clients[ws] = (await ws.recv()).removeprefix("Hello|")
        async for message in ws:
            broadcast(ouvertes - {ws}, f"{clients[ws]} a dit : {message}")
    finally:
        ouvertes.discard(ws)
        clients.pop(ws, None)
        compter()


async def main():
    async with serve(accueillir, "10.5.5.5", 8888) as server:
        await server.serve_forever()

asyncio.run(main())
