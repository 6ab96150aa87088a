import asyncio
import websockets


async def main():
    adresse = input("Adresse du serveur (ip:port) [127.0.0.1:8765] : ") or "127.0.0.1:8765"
    async with websockets.connect(f"ws://{adresse}") as ws:
        msg = input("Message : ")
        await ws.send(msg)
        print("Serveur :", await ws.recv())


asyncio.run(main())
