import asyncio
import itertools
import aioconsole
import websockets


async def montrer(ws):
    async for trame in ws:
        ordre, *mots = trame.split("|")
        if ordre != "RECU":
            print(ordre, *mots)
    print("Le serveur est parti.")


async def parler(ws):
    for numero in itertools.count(1):
        texte = await aioconsole.ainput("")
        await ws.send(f"MSG|{numero}|{texte}")


async def main():
    pseudo = await aioconsole.ainput("Pseudo ? ")
    async with websockets.connect("ws://10.3.3.3:6789") as ws:
        await ws.send(f"SALUT|{pseudo}")
        taches = [asyncio.ensure_future(montrer(ws)), asyncio.ensure_future(parler(ws))]
        await asyncio.wait(taches, return_when=asyncio.FIRST_COMPLETED)
        taches[1].cancel()

asyncio.run(main())
