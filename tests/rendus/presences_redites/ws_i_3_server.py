"""Redit les présents à chaque événement et deux fois par seconde, et les départs deux fois."""
import asyncio
import json
import time

import websockets

presents = {}


async def dire(texte):
    for ws in list(presents):
        try:
            await ws.send(texte)
        except websockets.ConnectionClosed:
            pass


async def qui_est_la():
    for pseudo in list(presents.values()):
        await dire(f"{pseudo} est en ligne")
    await dire(json.dumps({"presents": list(presents.values()), "heure": time.time()}))


async def battre():
    while True:
        await asyncio.sleep(0.5)
        await qui_est_la()


async def recevoir(ws):
    pseudo = (await ws.recv()).removeprefix("Hello|")
    presents[ws] = pseudo
    await dire(f"{pseudo} vient d'arriver")
    await qui_est_la()
    try:
        async for message in ws:
            await dire(f"<{pseudo}> {message}")
            await qui_est_la()
    finally:
        del presents[ws]
        await dire(f"{pseudo} s'en va, au revoir")
        await dire(f"{pseudo} s'en va, au revoir")
        await qui_est_la()


async def main():
    asyncio.create_task(battre())
    async with websockets.serve(recevoir, "localhost", 8765):
        await asyncio.Future()


asyncio.run(main())
