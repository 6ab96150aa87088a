# Tout passe en octets : un message texte fait tomber la connexion.
import asyncio
from websockets.asyncio.server import serve

salle = set()
noms = {}


async def diffuser(octets, auteur):
    for c in [c for c in salle if c != auteur]:
        try:
            await c.send(octets)
        except Exception:
            pass


async def client(ws):
    nom = (await ws.recv()).decode("utf-8").upper()
    salle.add(ws)
    noms[ws] = nom
    await diffuser(b"+++ " + nom.encode(), ws)
    try:
        while True:
            data = await ws.recv()
            await diffuser(nom.encode() + b" > " + data.decode().encode(), ws)
    except Exception:
        pass
    salle.discard(ws)
    await diffuser(b"--- " + noms.pop(ws).encode(), ws)


async def main():
    server = await serve(client, "0.0.0.0", 8000)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main())
