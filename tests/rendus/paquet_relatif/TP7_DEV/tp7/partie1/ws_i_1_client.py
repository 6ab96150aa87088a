import asyncio

import websockets

from ..commun.reglages import URI


async def main():
    async with websockets.connect(URI) as ws:
        phrase = input("Ta phrase : ")
        await ws.send(phrase)
        print(await ws.recv())


if __name__ == "__main__":
    asyncio.run(main())
