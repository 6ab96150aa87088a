import asyncio
import json
from websockets.asyncio.server import broadcast, serve

membres = {}


async def entrer(ws):
    attendu = 0
    try:
        async for brut in ws:
            trame = json.loads(brut)
            if trame["seq"] != attendu:
                await ws.close(4000, f"trame {attendu} perdue")
                break
            attendu += 1
            if "nick" in trame:
                membres[ws] = trame["nick"]
                dire(ws, f"{trame['nick']} joined")
            else:
                dire(ws, f"<{membres[ws]}> {trame['body']}")
    finally:
        dire(ws, f"{membres.pop(ws, '?')} left")


def dire(auteur, texte):
    broadcast([ws for ws in membres if ws is not auteur], json.dumps({"text": texte}))


async def main():
    async with serve(entrer, "0.0.0.0", 4040) as server:
        await server.serve_forever()

asyncio.run(main())
