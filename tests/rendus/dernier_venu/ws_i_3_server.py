import asyncio
import json
import websockets


class Salle:
    def __init__(self):
        self.membres = []
        self.courant = None

    async def vivre(self, ws):
        self.courant = json.loads(await ws.recv())["pseudo"]
        await self.tous({"info": "bienvenue", "qui": self.courant})
        self.membres.append(ws)
        try:
            while True:
                m = json.loads(await ws.recv())
                await self.tous({"de": self.courant, "message": m["message"]})
        except websockets.ConnectionClosed:
            self.membres.remove(ws)
            await self.tous({"info": "au revoir", "qui": self.courant})

    async def tous(self, objet):
        await asyncio.gather(*(m.send(json.dumps(objet)) for m in self.membres),
                             return_exceptions=True)


async def main():
    await websockets.serve(Salle().vivre, port=9000)
    await asyncio.Future()

asyncio.run(main())
