import asyncio
import json
import pathlib
import sys
import websockets

reglages = pathlib.Path("reglages.json")
if not reglages.exists():
    reglages.write_text(json.dumps({"port": 8765}))
    sys.exit("reglages.json créé : vérifiez-le, puis relancez.")


async def handler(ws):
    async for msg in ws:
        await ws.send(f'Hello client ! Received "{msg}"')


async def main():
    async with websockets.serve(handler, "", json.loads(reglages.read_text())["port"]):
        await asyncio.Future()


asyncio.run(main())
