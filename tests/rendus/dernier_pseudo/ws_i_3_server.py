import asyncio
import websockets

clients = set()
pseudo = ""


async def handler(ws):
    global pseudo
    async for message in ws:
        if message.startswith("Hello|"):
            pseudo = message[6:]
            clients.add(ws)
            await dire(f"{pseudo} a rejoint le chat", ws)
        else:
            await dire(f"{pseudo} : {message}", ws)
    clients.discard(ws)
    await dire(f"{pseudo} a quitte le chat", ws)


async def dire(texte, sauf):
    for ws in list(clients):
        if ws is not sauf:
            try:
                await ws.send(texte)
            except websockets.ConnectionClosed:
                clients.discard(ws)


async def main():
    async with websockets.serve(handler, "127.0.0.1", 8888):
        await asyncio.Future()

asyncio.run(main())
