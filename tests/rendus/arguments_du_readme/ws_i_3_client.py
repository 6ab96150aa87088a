#!/usr/bin/env python3
import argparse
import asyncio
import json
from aioconsole import ainput, aprint
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def saisie(ws):
    while True:
        ligne = await ainput("> ")
        await ws.send(json.dumps({"message": ligne}))


async def ecoute(ws):
    while True:
        await aprint(await ws.recv())


async def chat(url):
    pseudo = await ainput("Pseudo ? ")
    async with connect(url) as ws:
        await ws.send(json.dumps({"pseudo": pseudo}))
        try:
            async with asyncio.TaskGroup() as tg:
                tg.create_task(saisie(ws))
                tg.create_task(ecoute(ws))
        except* ConnectionClosed:
            await aprint("Connexion perdue avec le serveur.")


def main():
    parser = argparse.ArgumentParser()
    sub = parser.add_subparsers(dest="commande", required=True)
    p = sub.add_parser("connect")
    p.add_argument("-p", "--port", type=int, required=True)
    p.add_argument("host")
    args = parser.parse_args()
    try:
        asyncio.run(chat(f"ws://{args.host}:{args.port}/"))
    except (KeyboardInterrupt, EOFError):
        print("bye")
    except OSError as e:
        print("Impossible de se connecter :", e)


if __name__ == "__main__":
    main()
