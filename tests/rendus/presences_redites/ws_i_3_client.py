import asyncio

import aioconsole
import websockets


async def lire(ws):
    async for message in ws:
        if "en ligne" not in message and "presents" not in message:
            print(message)


async def main():
    pseudo = await aioconsole.ainput("Pseudo : ")
    async with websockets.connect("ws://localhost:8765") as ws:
        await ws.send(f"Hello|{pseudo}")
        lecture = asyncio.create_task(lire(ws))
        lecture.add_done_callback(lambda _: print("Fin de la salle"))
        while True:
            await ws.send(await aioconsole.ainput())


asyncio.run(main())
