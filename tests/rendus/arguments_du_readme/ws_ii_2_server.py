#!/usr/bin/env python3
import argparse
import asyncio
import json
from datetime import datetime
from redis import asyncio as aioredis
from websockets.asyncio.server import serve, broadcast
from websockets.exceptions import ConnectionClosed


def heure():
    return datetime.now().strftime("%H:%M")


class Serveur:
    def __init__(self, db):
        self.db = db
        self.sockets = set()   # que les sockets, le reste est dans redis

    async def annonce(self, texte, sauf=None):
        broadcast(self.sockets - {sauf}, f"[{heure()}] {texte}")

    async def handler(self, ws):
        champ = str(ws.id)
        try:
            pseudo = json.loads(await ws.recv())["pseudo"]
            await self.db.hset("clients", champ, json.dumps({"pseudo": pseudo, "arrivee": heure()}))
            self.sockets.add(ws)
            await self.annonce(f"*** {pseudo} vient d'arriver ***", ws)
            async for trame in ws:
                texte = json.loads(trame)["message"]
                moi = json.loads(await self.db.hget("clients", champ))
                await self.annonce(f"{moi['pseudo']} : {texte}", ws)
        except (ConnectionClosed, KeyError, json.JSONDecodeError) as e:
            print("!", type(e).__name__)
        finally:
            self.sockets.discard(ws)
            fiche = await self.db.hget("clients", champ)
            if fiche:
                await self.db.hdel("clients", champ)
                await self.annonce(f"*** {json.loads(fiche)['pseudo']} est parti ***")


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("host")
    parser.add_argument("--redis", required=True, metavar="HOTE:PORT")
    args = parser.parse_args()
    db = aioredis.from_url(f"redis://{args.redis}/0", decode_responses=True)
    await db.delete("clients")    # restes du lancement d'avant
    s = Serveur(db)
    async with serve(s.handler, args.host, args.port) as serveur:
        await serveur.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
