import os
from dataclasses import asdict, dataclass

import redis.asyncio as redis
from websockets.exceptions import ConnectionClosed


@dataclass
class Membre:
    pseudo: str
    ip: str
    messages: int = 0


class Salon:
    def __init__(self):
        # "redis" c'est le nom du conteneur
        self.db = redis.Redis(host=os.getenv("REDIS_HOST", "redis"), port=6379, decode_responses=True)
        self.clients = {}

    async def diffuser(self, texte, sauf=None):
        for ws in list(self.clients):
            if ws is sauf:
                continue
            try:
                await ws.send(texte)
            except ConnectionClosed:
                pass

    async def accueillir(self, ws):
        pseudo = await ws.recv()
        self.clients[ws] = Membre(pseudo, ws.remote_address[0])
        await self.db.hset(f"membre:{ws.id}", mapping=asdict(self.clients[ws]))
        await self.diffuser(f"{pseudo} has joined the room", sauf=ws)
        try:
            async for texte in ws:
                self.clients[ws].messages += 1
                await self.db.hincrby(f"membre:{ws.id}", "messages", 1)
                await self.diffuser(f"<{pseudo}> {texte}", sauf=ws)
        except ConnectionClosed:
            pass
        finally:
            del self.clients[ws]
            await self.db.delete(f"membre:{ws.id}")
            await self.diffuser(f"{pseudo} has left the room")
