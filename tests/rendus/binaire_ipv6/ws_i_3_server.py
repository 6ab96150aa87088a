import asyncio
import struct
import websockets

HELLO, SAY, JOIN, LEAVE = range(4)
membres = {}


def paquet(sorte, *champs):
    corps = b"\0".join(c.encode() for c in champs)
    return struct.pack("!BH", sorte, len(corps)) + corps


async def membre(ws):
    try:
        async for brut in ws:
            sorte, taille = struct.unpack("!BH", brut[:3])
            corps = brut[3:3 + taille].decode()
            if sorte == HELLO:
                membres[ws] = corps
                await autres(ws, paquet(JOIN, corps))
            elif sorte == SAY and ws in membres:
                await autres(ws, paquet(SAY, membres[ws], corps))
    finally:
        if nom := membres.pop(ws, None):
            await autres(ws, paquet(LEAVE, nom))


async def autres(ws, donnees):
    await asyncio.gather(*(m.send(donnees) for m in membres if m is not ws), return_exceptions=True)


async def main():
    async with websockets.serve(membre, "::1", 5555):
        await asyncio.Future()

asyncio.run(main())
