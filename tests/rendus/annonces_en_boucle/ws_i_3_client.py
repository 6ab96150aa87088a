import asyncio
import json

import aioconsole
import websockets


async def parler(ws):
    await ws.send(json.dumps({"nom": await aioconsole.ainput("Nom ? ")}))
    while True:
        await ws.send(json.dumps({"texte": await aioconsole.ainput()}))


async def main():
    async with websockets.connect("ws://localhost:8000") as ws:
        asyncio.create_task(parler(ws))
        async for message in ws:
            print(message)
    print("Plus de serveur.")


asyncio.run(main())
