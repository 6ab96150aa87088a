import asyncio
import json

import websockets


async def echo(ws):
    async for message in ws:
        try:
            text = json.loads(message)["texte"]
        except (ValueError, KeyError, TypeError):
            continue  # un message d'une autre forme n'a pas de réponse
        await ws.send(f'Hello client ! Received "{text}"')


async def main():
    async with websockets.serve(echo, "192.168.1.20", 8888):
        await asyncio.Future()


asyncio.run(main())
