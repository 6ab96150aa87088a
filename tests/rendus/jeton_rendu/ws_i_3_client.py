import asyncio
import json
import sys
from websockets.asyncio.client import connect


async def main():
    loop = asyncio.get_running_loop()
    async with connect("ws://localhost:9001") as ws:
        defi = json.loads((await ws.recv()).decode())
        print("Quel est ton nom ?")

        async def clavier():
            premier = True
            while ligne := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
                cle = "nom" if premier else "texte"
                premier = False
                await ws.send(json.dumps({"jeton": defi["jeton"], cle: ligne}))

        async def ecran():
            async for brut in ws:
                recu = json.loads(brut.decode())
                print(recu["type"], recu["nom"], recu.get("texte", ""), flush=True)
            print("deconnecte")
        await asyncio.gather(clavier(), ecran())

asyncio.run(main())
