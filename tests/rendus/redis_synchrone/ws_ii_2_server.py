import asyncio
import uuid
import redis
import websockets

r = redis.StrictRedis(host="10.4.4.4", port=6379, db=0)
r.flushall()


async def chat(ws):
    hello = await ws.recv()
    ws.ident = str(uuid.uuid4())
    r.set(ws.ident, hello.split("|")[1])
    await ws.send("ID|" + ws.ident)
    try:
        async for m in ws:
            nom = r.get(ws.ident).decode()
            for autre in serveur.connections:
                if autre is not ws:
                    await autre.send(nom + " a dit : " + m)
    finally:
        r.delete(ws.ident)


async def main():
    global serveur
    serveur = await websockets.serve(chat, "0.0.0.0", 8888)
    await asyncio.get_running_loop().create_future()

asyncio.run(main())
