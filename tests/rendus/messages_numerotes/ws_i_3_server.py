import asyncio
import websockets

clients = {}


async def salle(ws):
    nom, dernier = (await ws.recv()).partition("|")[2], 0
    clients[ws] = nom
    diffuser(f"ENTRE|{nom}", ws)
    try:
        async for trame in ws:
            _, numero, texte = trame.split("|", 2)
            await ws.send(f"RECU|{numero}")
            if int(numero) > dernier:  # sinon, c'est le même, renvoyé
                dernier = int(numero)
                diffuser(f"DIT|{nom}|{texte}", ws)
    finally:
        del clients[ws]
        diffuser(f"SORT|{nom}", ws)


def diffuser(trame, sauf):
    websockets.broadcast([ws for ws in clients if ws is not sauf], trame)


async def main():
    async with websockets.serve(salle, "10.3.3.3", 6789):
        await asyncio.Future()

asyncio.run(main())
