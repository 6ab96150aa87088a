import asyncio
import json

import un_paquet_que_personne_n_a
import websockets


async def main():
    async with websockets.connect("ws://192.168.1.20:8888") as ws:
        await ws.send(json.dumps({"texte": input("Message : ")}))
        un_paquet_que_personne_n_a.show(await ws.recv())


asyncio.run(main())
