import asyncio
import json
from dataclasses import dataclass, field
from websockets.asyncio.server import serve, ServerConnection
from websockets.exceptions import ConnectionClosedOK


@dataclass
class Hub:
    members: dict[ServerConnection, str] = field(default_factory=dict)

    async def emit(self, kind, skip=None, **payload):
        out = json.dumps({"type": kind, "payload": payload})
        for ws in self.members:
            if ws is not skip:
                await ws.send(out)

    async def run(self, ws):
        name = None
        try:
            while True:
                d = json.loads(await ws.recv())
                match d["type"]:
                    case "ping":
                        await ws.send(json.dumps({"type": "pong", "payload": {}}))
                    case "hello":
                        name = d["payload"]["username"]
                        self.members[ws] = name
                        await self.emit("joined", skip=ws, username=name)
                    case "chat":
                        await self.emit("chat", skip=ws, username=name, content=d["payload"]["content"])
        except ConnectionClosedOK:
            self.members.pop(ws, None)
            await self.emit("left", username=name)


async def main():
    hub = Hub()
    async with serve(hub.run, "192.168.122.10", 8080) as server:
        await server.serve_forever()


asyncio.run(main())
