import asyncio
from dataclasses import dataclass

from websockets.exceptions import ConnectionClosedOK


@dataclass(eq=False)
class Membre:
    ws: object
    pseudo: str


class Salon:
    def __init__(self):
        self.clients = {}       # le dico de l'énoncé, mais dans une classe

    async def diffuser(self, texte, sauf=None):
        async with asyncio.TaskGroup() as tg:
            for ident, membre in self.clients.items():
                if membre is not sauf:
                    tg.create_task(membre.ws.send(texte))

    async def accueillir(self, ws):
        pseudo = await ws.recv()
        membre = Membre(ws, pseudo)
        self.clients[ws.id] = membre
        await self.diffuser(f"{pseudo} has joined the room", sauf=membre)
        try:
            while True:
                texte = await ws.recv()
                await self.diffuser(f"<{pseudo}> {texte}", sauf=membre)
        except ConnectionClosedOK:
            del self.clients[ws.id]
            await self.diffuser(f"{pseudo} has left the room")
