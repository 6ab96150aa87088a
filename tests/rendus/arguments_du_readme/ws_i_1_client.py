#!/usr/bin/env python3
import argparse
import asyncio
from websockets.asyncio.client import connect

parser = argparse.ArgumentParser()
parser.add_argument("serveur", metavar="HOTE:PORT")
args = parser.parse_args()


async def main():
    async with connect("ws://" + args.serveur) as ws:
        await ws.send(input("Message à envoyer : "))
        reponse = await ws.recv()
        print(f"Réponse du serveur : {reponse}")

asyncio.run(main())
