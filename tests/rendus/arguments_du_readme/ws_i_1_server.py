#!/usr/bin/env python3
import argparse
import asyncio
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


def hote_port(texte):
    """'1.2.3.4:80' -> ('1.2.3.4', 80)"""
    hote, sep, port = texte.rpartition(":")
    if not sep or not port.isdigit():
        raise argparse.ArgumentTypeError("il faut HOTE:PORT")
    return hote, int(port)


async def handler(ws):
    try:
        while True:
            msg = await ws.recv()
            print(f"Message du client : {msg}")
            await ws.send(f"Hello client ! Received \"{msg}\".")
    except ConnectionClosed:
        print("client parti")


async def main(hote, port):
    async with serve(handler, hote, port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--ecoute", "-e", type=hote_port, required=True, metavar="HOTE:PORT")
    args = parser.parse_args()
    try:
        asyncio.run(main(*args.ecoute))
    except KeyboardInterrupt:
        print("ciao")
