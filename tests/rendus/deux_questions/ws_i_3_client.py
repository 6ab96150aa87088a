import asyncio
import threading
import websockets


def demander(question):
    return input(question + " : ")


async def main():
    hote = demander("Adresse IP du serveur")
    port = int(demander("Port"))
    pseudo = demander("Pseudo")
    salon = demander("Salon")
    ws = await websockets.connect(f"ws://{hote}:{port}")
    await ws.send(pseudo)
    assert await ws.recv() == "ok"
    await ws.send(salon)
    assert await ws.recv() == "ok"
    loop = asyncio.get_running_loop()
    file = asyncio.Queue()

    def clavier():
        while True:
            loop.call_soon_threadsafe(file.put_nowait, input())
    threading.Thread(target=clavier, daemon=True).start()

    async def envoi():
        while True:
            await ws.send(await file.get())
    tache = asyncio.create_task(envoi())
    async for m in ws:
        print(m)
    print("Fin du serveur")

asyncio.run(main())
