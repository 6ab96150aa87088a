import asyncio
import functools
import websockets


class Salon:
    def __init__(self):
        self.qui = {}

    async def accueillir(self, ws, chemin, mot):
        nom = ws.request_headers["X-Pseudo"]
        self.qui[ws] = nom
        self.dire(f"{mot} {nom}")
        try:
            while True:
                self.dire(f"{nom} > {await ws.recv()}")
        except websockets.ConnectionClosed:
            self.qui.pop(ws)
            self.dire(f"{nom} nous quitte")

    def dire(self, phrase):
        websockets.broadcast(self.qui, phrase)


async def main():
    accueil = functools.partial(Salon().accueillir, mot="Bienvenue à")
    async with websockets.serve(accueil, "127.0.0.1", 8888):
        await asyncio.Future()

asyncio.run(main())
