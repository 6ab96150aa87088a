import asyncio
import websockets
from aioconsole import ainput


async def recv(ws):
    while True:
        data = await ws.recv()
        if data == "":
            break
        print(data)


async def send(ws):
    while True:
        msg = await ainput("")
        await ws.send(msg)


async def main():
    pseudo = await ainput("pseudo : ")
    async with websockets.connect("ws://127.0.0.1:8888") as ws:
        await ws.send("Hello|" + pseudo)
        await asyncio.gather(send(ws), recv(ws))

asyncio.run(main())
