import asyncio
import websockets

salons = {}


async def handler(ws):
    pseudo = await ws.recv()
    await ws.send("ok")
    salon = await ws.recv()
    salons.setdefault(salon, {})[ws] = pseudo
    await ws.send("ok")
    await dire(salon, ws, f"-> {pseudo}")
    try:
        async for m in ws:
            await dire(salon, ws, f"{pseudo} | {m}")
    except websockets.ConnectionClosed:
        pass
    finally:
        salons[salon].pop(ws)
        await dire(salon, ws, f"<- {pseudo}")


async def dire(salon, ws, texte):
    for w in list(salons[salon]):
        if w is not ws:
            await asyncio.sleep(0.3)
            try:
                await w.send(texte)
            except websockets.ConnectionClosed:
                pass


async def main():
    async with websockets.serve(handler, "192.168.122.1", 8888):
        await asyncio.Future()

asyncio.run(main())
