import asyncio
import os
import threading
import websockets


def lire_clavier(boucle, file):
    """thread a part car input() bloque"""
    while True:
        try:
            ligne = input()
        except EOFError:
            ligne = None
        boucle.call_soon_threadsafe(file.put_nowait, ligne)
        if ligne is None:
            return


async def emission(ws, file):
    while (ligne := await file.get()) is not None:
        await ws.send(ligne)
    await ws.close()


async def reception(ws):
    async for msg in ws:
        print(msg, flush=True)


async def main():
    adresse = input("Adresse du serveur (ip:port) [127.0.0.1:8765] : ") or "127.0.0.1:8765"
    pseudo = input("Pseudo : ")
    file = asyncio.Queue()
    async with websockets.connect(f"ws://{adresse}") as ws:
        await ws.send(pseudo)
        threading.Thread(target=lire_clavier, args=(asyncio.get_running_loop(), file), daemon=True).start()
        e = asyncio.create_task(emission(ws, file))
        try:
            await reception(ws)
        except websockets.ConnectionClosedError:
            pass
        e.cancel()
    print("*** Déconnecté du serveur ***", flush=True)
    os._exit(0)


asyncio.run(main())
