import asyncio
import json
import websockets
from aioconsole import ainput


class Client:
    async def run(self):
        self.pseudo = await ainput("login: ")
        self.ws = await websockets.connect("ws://10.1.2.3:8765", extra_headers={"X-Chat": "1"})
        await self.ws.send(json.dumps({"pseudo": self.pseudo, "texte": ""}))
        done, pending = await asyncio.wait(
            [asyncio.create_task(self.lire()), asyncio.create_task(self.ecrire())],
            return_when=asyncio.FIRST_COMPLETED)
        for t in pending:
            t.cancel()

    async def lire(self):
        while self.ws.open:
            d = json.loads(await self.ws.recv())
            print(d.get("info") or d["pseudo"] + " : " + d["texte"])

    async def ecrire(self):
        while True:
            t = await ainput()
            await self.ws.send(json.dumps({"pseudo": self.pseudo, "texte": t}))

asyncio.run(Client().run())
