import asyncio
import os
import websockets

if not os.path.exists("journal"):
    os.mkdir("journal")
    raise FileNotFoundError("le dossier journal vient d'être créé, il est vide")

presents = {}


async def tous(texte):
    for ws in list(presents):
        await ws.send(texte)


async def handler(ws):
    presents[ws] = pseudo = (await ws.recv()).removeprefix("Hello|")
    await tous(f"{pseudo} a rejoint la chatroom")
    try:
        async for msg in ws:
            with open("journal/chat.txt", "a") as journal:
                journal.write(msg + "\n")
            await tous(f"{pseudo} : {msg}")
    except websockets.ConnectionClosedError:
        pass
    finally:
        del presents[ws]
        await tous(f"{pseudo} a quitté la chatroom")


async def main():
    async with websockets.serve(handler, "", 8765):
        await asyncio.Future()


asyncio.run(main())
