import asyncio
import websockets


async def main():
    uri = "ws://10.213.4.15:8765"
    async with websockets.connect(uri) as ws:
        texte = input("Message : ")
        await ws.send(texte)
        print(await ws.recv())


asyncio.run(main())
