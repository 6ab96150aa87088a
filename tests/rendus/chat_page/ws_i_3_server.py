import asyncio
import json
from websockets.server import serve, WebSocketServerProtocol
from websockets.exceptions import ConnectionClosedOK


class Chat:
    def __init__(self):
        self.tous: set[WebSocketServerProtocol] = set()
        self.qui = {}

    async def handler(self, websocket: WebSocketServerProtocol, path: str):
        self.tous.add(websocket)
        try:
            while True:
                brut = await websocket.recv()
                donnees = json.loads(brut)
                if websocket not in self.qui:
                    self.qui[websocket] = donnees["pseudo"]
                    await self.a_tous({"info": donnees["pseudo"] + " est connecté"}, websocket)
                    if not donnees["texte"]:
                        continue
                await self.a_tous(donnees, websocket)
        except Exception:
            pass
        finally:
            self.tous.remove(websocket)
            await self.a_tous({"info": self.qui.pop(websocket, "?") + " déconnecté"}, websocket)

    async def a_tous(self, donnees, sauf):
        for ws in list(self.tous):
            if ws != sauf and ws.open:
                await ws.send(json.dumps(donnees))


chat = Chat()
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


async def demarrer():
    return await serve(chat.handler, host="10.1.2.3", port=8765, ping_interval=None)

loop.run_until_complete(demarrer())
loop.run_forever()
