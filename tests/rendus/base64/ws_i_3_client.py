import asyncio
import base64
import websockets
from aioconsole import ainput, aprint

def enc(s): return base64.b64encode(s.encode()).decode()
def dec(s): return base64.b64decode(s).decode()

async def reception(ws):
    try:
        while True:
            await aprint(dec(await ws.recv()))
    except websockets.exceptions.ConnectionClosed as e:
        await aprint("Connexion fermee :", e)

async def envoi(ws, pseudo):
    while True:
        t = await ainput(f"{pseudo}> ")
        await ws.send(enc(t))

async def main():
    pseudo = await ainput("Entre ton pseudo: ")
    async with websockets.connect("ws://10.3.1.11:13337") as ws:
        await ws.send(enc("Hello|" + pseudo))
        await asyncio.gather(reception(ws), envoi(ws, pseudo))
asyncio.run(main())
