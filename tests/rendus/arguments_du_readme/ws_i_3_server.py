#!/usr/bin/env python3
import argparse
import asyncio
import json
from datetime import datetime
from websockets.asyncio.server import serve, broadcast
from websockets.exceptions import ConnectionClosed

clients = {}   # pseudo -> {"ws":..., "arrivee":...}


def heure():
    return datetime.now().strftime("%H:%M")


def les_autres(pseudo):
    return [c["ws"] for p, c in clients.items() if p != pseudo]


async def handler(ws):
    global clients
    pseudo = None
    try:
        premier = json.loads(await ws.recv())
        pseudo = premier["pseudo"]
        # deux fois le meme pseudo -> on ajoute un _
        while pseudo in clients:
            pseudo += "_"
        clients[pseudo] = {"ws": ws, "arrivee": heure()}
        print(f"+ {pseudo}")
        broadcast(les_autres(pseudo), f"[{heure()}] *** {pseudo} vient d'arriver ***")
        async for trame in ws:
            texte = json.loads(trame)["message"]
            broadcast(les_autres(pseudo), f"[{heure()}] {pseudo} : {texte}")
    except (ConnectionClosed, KeyError, json.JSONDecodeError) as e:
        print("!", type(e).__name__)
    finally:
        if pseudo in clients:
            del clients[pseudo]
            print(f"- {pseudo}")
            broadcast(les_autres(pseudo), f"[{heure()}] *** {pseudo} est parti ***")


async def lancer(host, port):
    async with serve(handler, host, port) as s:
        await s.serve_forever()


def main():
    parser = argparse.ArgumentParser(prog="ws_i_3_server.py")
    sub = parser.add_subparsers(dest="commande", required=True)
    p = sub.add_parser("serve", help="lance la chatroom")
    p.add_argument("--host", required=True)
    p.add_argument("--port", required=True, type=int)
    sub.add_parser("version", help="affiche la version")
    args = parser.parse_args()
    if args.commande == "version":
        print("chatroom v1.3")
        return
    try:
        asyncio.run(lancer(args.host, args.port))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
