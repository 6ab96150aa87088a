import asyncio
import redis.asyncio as redis
from websockets.asyncio.server import serve, broadcast


class Serveur:
    def __init__(self):
        self.redis = redis.Redis(host="redis.local", decode_responses=True)

    async def lancer(self):
        async with serve(self.accueil, "", 4242) as self.ws_server:
            await self.ws_server.serve_forever()

    async def accueil(self, ws):
        premier = await ws.recv()
        ws.nom = premier.removeprefix("Hello|").strip()
        async with self.redis.pipeline() as p:
            p.sadd("presents", ws.nom)
            p.incr("visites")
            await p.execute()
        self.dire(ws, f"{ws.nom} rejoint le salon")
        try:
            async for texte in ws:
                await asyncio.gather(self.redis.rpush("journal", texte), self.redis.incr("messages"))
                self.dire(ws, f"{ws.nom} dit {texte}")
        finally:
            tache = asyncio.create_task(self.redis.srem("presents", ws.nom))
            self.dire(ws, f"{ws.nom} quitte le salon")
            await tache

    def dire(self, auteur, texte):
        broadcast([c for c in self.ws_server.connections if c is not auteur], texte)


asyncio.run(Serveur().lancer())
