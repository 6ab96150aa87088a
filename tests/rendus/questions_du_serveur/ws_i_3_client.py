import asyncio
import aioconsole
import websockets


async def recevoir(ws):
    try:
        while True:
            print(await ws.recv())
    except websockets.exceptions.ConnectionClosed:
        print("[déconnecté]")


async def emettre(ws):
    while True:
        await ws.send(await aioconsole.ainput())


async def main():
    async with websockets.connect("ws://192.168.1.77:8888") as ws:
        await asyncio.gather(recevoir(ws), emettre(ws))

asyncio.run(main())
