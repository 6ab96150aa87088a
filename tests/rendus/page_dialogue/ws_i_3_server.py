import asyncio
from dataclasses import dataclass, field
from datetime import datetime

import websockets
from websockets.asyncio.server import ServerConnection

HOST: str = "172.16.4.10"
PORT: int = 8765


@dataclass
class Client:
    ws: ServerConnection
    pseudo: str
    arrivee: datetime = field(default_factory=datetime.now)


clients: dict[str, Client] = {}


async def envoyer_a_tous(texte: str, sauf: str | None = None) -> None:
    cibles = [c.ws.send(texte) for cle, c in clients.items() if cle != sauf]
    # return_exceptions : si un client est mort entre temps on s'en fiche
    await asyncio.gather(*cibles, return_exceptions=True)


async def liste() -> None:
    await envoyer_a_tous("List|" + ",".join(c.pseudo for c in clients.values()))


async def handler(ws: ServerConnection) -> None:
    cle = str(ws.id)
    try:
        async for brut in ws:
            commande, _, suite = str(brut).partition("|")
            if commande == "Hello" and cle not in clients:
                clients[cle] = Client(ws, suite.strip() or "anonyme")
                await envoyer_a_tous(f"Join|{clients[cle].pseudo}", sauf=cle)
                await liste()
            elif commande == "Msg" and cle in clients:
                await envoyer_a_tous(f"Msg|{clients[cle].pseudo}|{suite}", sauf=cle)
            else:
                await ws.send("Err|commande inconnue")
    except websockets.ConnectionClosedError:
        print(f"{cle} coupé brutalement")
    finally:
        parti = clients.pop(cle, None)
        if parti:
            duree = datetime.now() - parti.arrivee
            print(f"{parti.pseudo} est resté {duree.seconds}s")
            await envoyer_a_tous(f"Leave|{parti.pseudo}")
            await liste()


async def main() -> None:
    async with websockets.serve(handler, HOST, PORT):
        print("Chat lancé sur", HOST, PORT)
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main())
