import asyncio
import websockets

clients = {}


async def handler(ws):
    data = await ws.recv()
    pseudo = data.split("|")[1]
    clients[ws] = pseudo
    for autre in clients:
        if autre != ws:
            await autre.send("Annonce : " + pseudo + " a rejoint la chatroom")
    while True:
        data = await ws.recv()
        if data == b"" or data == "":
            break
        for autre in clients:
            if autre != ws:
                await autre.send(pseudo + " a dit : " + data)
    del clients[ws]
    for autre in clients:
        await autre.send("Annonce : " + pseudo + " a quitté la chatroom")


async def main():
    async with websockets.serve(handler, "0.0.0.0", 8888):
        await asyncio.Future()

asyncio.run(main())
