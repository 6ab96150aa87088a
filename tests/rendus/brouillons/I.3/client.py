import asyncio
import websockets


async def main():
    async with websockets.connect("ws://127.0.0.1:8888") as ws:
        print("connecte")  # la suite dans client_final.py

asyncio.run(main())
