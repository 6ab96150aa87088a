import asyncio
import sys
from websockets.client import connect

nom = input("Nom : ")


async def main():
    ws = await connect("ws://127.0.0.1:8888", extra_headers={"X-Pseudo": nom})
    loop = asyncio.get_running_loop()

    async def clavier():
        while ligne := await loop.run_in_executor(None, sys.stdin.readline):
            await ws.send(ligne.strip())

    async def ecran():
        while ws.open:
            print(await ws.recv())

    await asyncio.wait({clavier(), ecran()}, return_when=asyncio.FIRST_COMPLETED)
    print("Le serveur ne repond plus")
    import os
    os._exit(0)

asyncio.run(main())
