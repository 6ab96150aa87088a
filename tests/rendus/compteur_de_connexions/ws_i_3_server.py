import asyncio
import json
import websockets

sockets = {}


async def a_tous(**trame):
    for ws in list(sockets):
        await ws.send(json.dumps(trame))


async def salle(ws):
    sockets[ws] = "?"
    await a_tous(type="count", online=len(sockets))
    try:
        async for brut in ws:
            trame = json.loads(brut)
            if trame["type"] == "login":
                sockets[ws] = trame["username"]
            else:
                await a_tous(type="message", username=sockets[ws], message=trame["message"])
    finally:
        del sockets[ws]
        await a_tous(type="count", online=len(sockets))


async def main():
    async with websockets.serve(salle, "0.0.0.0", 5555):
        await asyncio.Future()

asyncio.run(main())
