import asyncio, json, uuid
from dataclasses import dataclass, field
import websockets

@dataclass
class Peer:
    sock: object
    ident: str = field(default_factory=lambda: uuid.uuid4().hex)
    label: str = "?"

class Hub:
    def __init__(self): self.peers = {}
    async def cast(self, t, **kw):
        dead = []
        for p in self.peers.values():
            try: await p.sock.send(json.dumps(dict(t=t, **kw)))
            except websockets.ConnectionClosed: dead.append(p.ident)
        for i in dead: self.peers.pop(i, None)
    async def serve(self, sock):
        me = Peer(sock)
        await sock.send(json.dumps({"t": "id", "id": me.ident}))
        try:
            async for raw in sock:
                m = json.loads(raw)
                if m.get("id") != me.ident:
                    await sock.send(json.dumps({"t": "err", "why": "bad id"})); continue
                if m["t"] == "hi":
                    me.label = m["u"]; self.peers[me.ident] = me
                    await self.cast("sys", x=f"{me.label} hopped in")
                elif m["t"] == "tx":
                    await self.cast("tx", u=me.label, x=m["x"])
                elif m["t"] == "typing":
                    await self.cast("typing", u=me.label)
        finally:
            if self.peers.pop(me.ident, None):
                await self.cast("sys", x=f"{me.label} hopped out")

async def main():
    async with websockets.serve(Hub().serve, "127.0.0.1", 4000): await asyncio.Future()
asyncio.run(main())
