import asyncio
import websockets

HOST = "10.213.4.15"
PORT = 8765


async def handler(websocket):
    while True:
        try:
            msg = await websocket.recv()
        except websockets.exceptions.ConnectionClosed:
            print("client parti")
            break
        print("recu :", msg)
        await websocket.send(f"Hello client ! Received '{msg}'.")


async def main():
    async with websockets.serve(handler, HOST, PORT):
        print("en attente")
        await asyncio.Future()


asyncio.run(main())
