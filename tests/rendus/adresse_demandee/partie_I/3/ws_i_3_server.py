import asyncio
import websockets

clients = {}


def demander(question, defaut):
    rep = input(f"{question} [{defaut}] : ").strip()
    return rep or defaut


async def envoyer(ws, txt):
    try:
        await ws.send(txt)
    except websockets.ConnectionClosed:
        pass  # son handler s'en occupe


async def tous(txt, sauf=None):
    for ident, c in list(clients.items()):
        if ident != sauf:
            await envoyer(c["ws"], txt)


async def handler(ws):
    global clients
    ident = ws.remote_address          # (ip, port) du client
    try:
        pseudo = (await ws.recv()).strip() or "inconnu"
        clients[ident] = {"ws": ws, "pseudo": pseudo}
        await ws.send(f"👋 Bienvenue {pseudo}, il y a {len(clients)} personne(s) ici")
        await tous(f"➡️  {pseudo} est dans la place !", ident)
        while True:
            msg = await ws.recv()
            print(f"{ident[0]}:{ident[1]} {pseudo}> {msg}")
            await tous(f"💬 {pseudo} : {msg}", ident)
    except websockets.ConnectionClosed as e:
        print("fin de", ident, e)
    finally:
        c = clients.pop(ident, None)
        if c:
            await tous(f"⬅️  {c['pseudo']} nous a quittés")


async def main(ip, port):
    async with websockets.serve(handler, ip, port):
        print(f"Chat ouvert sur {ip}:{port}")
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    ip = demander("IP d'écoute", "127.0.0.1")
    port = int(demander("Port d'écoute", "8765"))
    try:
        asyncio.run(main(ip, port))
    except KeyboardInterrupt:
        print("Fermeture du chat")
