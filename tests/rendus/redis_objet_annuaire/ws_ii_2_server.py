import asyncio
import websockets
from redis.asyncio import Redis


class Annuaire:
    """Garde la connexion de chacun sous la phrase par laquelle il est entre."""

    def __init__(self):
        self.par_bonjour = {}


async def main():
    annuaire, base = Annuaire(), Redis()

    async def service(ws):
        bonjour = await ws.recv()
        nom = bonjour.partition("|")[2]
        await base.set("client:" + nom, 1)
        annuaire.par_bonjour[bonjour] = ws
        try:
            async for texte in ws:
                for cle, autre in list(annuaire.par_bonjour.items()):
                    if cle != bonjour:
                        await autre.send(nom + "> " + texte)
        finally:
            del annuaire.par_bonjour[bonjour]
            await base.set("client:" + nom, 0)

    async with websockets.serve(service, "127.0.0.1", 8888):
        await asyncio.Future()

asyncio.run(main())
