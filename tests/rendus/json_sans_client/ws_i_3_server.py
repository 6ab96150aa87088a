import asyncio
import json
import websockets

CONNECTES = {}

async def traiter(ws):
    async for brut in ws:
        try:
            demande = json.loads(brut)
        except ValueError:
            await ws.send(json.dumps({"erreur": "json attendu"}))
            continue
        action = demande.get("action")
        if action == "entrer":
            CONNECTES[ws] = demande["surnom"]
            for autre in CONNECTES:
                if autre is not ws:
                    await autre.send(json.dumps({"evenement": "entree", "surnom": demande["surnom"]}))
        elif action == "parler" and ws in CONNECTES:
            for autre in CONNECTES:
                if autre is not ws:
                    await autre.send(json.dumps({"evenement": "parole", "surnom": CONNECTES[ws], "phrase": demande["phrase"]}))
    if ws in CONNECTES:
        surnom = CONNECTES.pop(ws)
        for autre in CONNECTES:
            await autre.send(json.dumps({"evenement": "sortie", "surnom": surnom}))

async def main():
    async with websockets.serve(traiter, "localhost", 8080):
        await asyncio.Future()

asyncio.run(main())
