import asyncio
import os
import threading
import websockets


async def main():
    loop = asyncio.get_running_loop()
    async with websockets.connect("ws://172.16.8.1:8000") as ws:
        await ws.send(input("Qui es-tu ? ").encode())

        def clavier():
            while True:
                texte = input()
                asyncio.run_coroutine_threadsafe(ws.send(texte.encode()), loop)

        threading.Thread(target=clavier, daemon=True).start()
        try:
            while True:
                print((await ws.recv()).decode())
        except websockets.ConnectionClosed:
            print("serveur perdu")
            os._exit(1)


asyncio.run(main())
