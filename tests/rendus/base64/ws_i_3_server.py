import asyncio
import base64
import websockets

def enc(s): return base64.b64encode(s.encode()).decode()
def dec(s): return base64.b64decode(s).decode()

global CLIENTS
CLIENTS = {}

async def broadcast(msg, sauf=None):
    for ws in CLIENTS:
        if ws != sauf:
            await ws.send(enc(msg))

async def handle(ws):
    try:
        while True:
            data = dec(await ws.recv())
            if data.startswith("Hello|"):
                CLIENTS[ws] = data.split("|")[1]
                await broadcast(f"Annonce : {CLIENTS[ws]} a rejoint la chatroom", ws)
            else:
                await broadcast(f"{CLIENTS[ws]} a dit : {data}", ws)
    except websockets.exceptions.ConnectionClosed:
        pseudo = CLIENTS[ws]
        await broadcast(f"Annonce : {pseudo} a quitté la chatroom", ws)
        del CLIENTS[ws]

async def main():
    async with websockets.serve(handle, "10.3.1.11", 13337):
        await asyncio.Future()
asyncio.run(main())
