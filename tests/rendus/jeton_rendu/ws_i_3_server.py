import asyncio
import json
import random
from websockets.asyncio.server import serve, broadcast

gens = {}


def octets(**champs):
    return json.dumps(champs).encode()


async def session(ws):
    jeton = random.randint(10_000, 99_999)
    await ws.send(octets(type="defi", jeton=jeton))
    nom = None
    try:
        async for brut in ws:
            recu = json.loads(brut)
            if recu["jeton"] != jeton:
                break
            if nom is None:
                nom = gens[ws] = recu["nom"]
                broadcast([g for g in gens if g is not ws], octets(type="entree", nom=nom))
            else:
                broadcast([g for g in gens if g is not ws],
                          octets(type="parole", nom=nom, texte=recu["texte"]))
    finally:
        gens.pop(ws, None)
        broadcast(gens, octets(type="sortie", nom=nom))


async def main():
    async with serve(session, "", 9001) as serveur:
        await serveur.serve_forever()

asyncio.run(main())
