import asyncio
import uuid
import websockets

clients = {}


async def broadcast(msg, but=None):
    for i, c in clients.items():
        if i != but and c["ws"]:
            try:
                await c["ws"].send(msg)
            except websockets.ConnectionClosed:
                c["ws"] = None


async def handler(ws):
    kind, _, value = (await ws.recv()).partition("|")
    if kind == "Hello":
        ident = str(uuid.uuid4())
        clients[ident] = {"pseudo": value, "ws": ws}
        await ws.send("ID|" + ident)
        await broadcast(f"Annonce : {value} a rejoint la chatroom", ident)
    elif value in clients:
        ident = value
        clients[ident]["ws"] = ws
        await broadcast(f"Annonce : {clients[ident]['pseudo']} est de retour", ident)
    else:
        return
    try:
        async for m in ws:
            await broadcast(f"{clients[ident]['pseudo']} a dit : {m}", ident)
    except websockets.ConnectionClosedError:
        pass
    finally:
        clients[ident]["ws"] = None
        await broadcast(f"Annonce : {clients[ident]['pseudo']} a quitté la chatroom", ident)


async def main():
    async with websockets.serve(handler, "10.0.3.1", 8888):
        await asyncio.Future()

asyncio.run(main())
