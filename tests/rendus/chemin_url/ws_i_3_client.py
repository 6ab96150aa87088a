import asyncio
from urllib.parse import quote
import aioconsole
import websockets


async def main():
    nom = await aioconsole.ainput("Ton nom ? ")
    async with websockets.connect(f"ws://localhost:9001/{quote(nom)}") as ws:
        lecture = asyncio.create_task(afficher(ws))
        while not lecture.done():
            ligne = asyncio.create_task(aioconsole.ainput("> "))
            await asyncio.wait([ligne, lecture], return_when=asyncio.FIRST_COMPLETED)
            if ligne.done():
                await ws.send(ligne.result())
            else:
                ligne.cancel()
    print("fin")


async def afficher(ws):
    async for m in ws:
        await aioconsole.aprint("\n" + m)

asyncio.run(main())
