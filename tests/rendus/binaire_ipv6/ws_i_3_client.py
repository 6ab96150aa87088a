import asyncio
import struct
import sys
import websockets


def paquet(sorte, texte):
    corps = texte.encode()
    return struct.pack("!BH", sorte, len(corps)) + corps


async def main():
    loop = asyncio.get_running_loop()
    sys.stdout.write("nickname: ")
    sys.stdout.flush()
    nom = (await loop.run_in_executor(None, sys.stdin.readline)).strip()
    async with websockets.connect("ws://[::1]:5555") as ws:
        await ws.send(paquet(0, nom))

        async def recoit():
            async for brut in ws:
                champs = brut[3:].decode().split("\0")
                print({1: "<{}> {}", 2: "+ {}", 3: "- {}"}[brut[0]].format(*champs))
            print("plus de serveur")
            loop.stop()
        asyncio.create_task(recoit())
        while True:
            ligne = (await loop.run_in_executor(None, sys.stdin.readline)).strip()
            await ws.send(paquet(1, ligne))

try:
    asyncio.run(main())
except RuntimeError:
    import os
    os._exit(0)
