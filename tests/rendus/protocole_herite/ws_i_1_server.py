import asyncio
from websockets import WebSocketServerProtocol
import websockets.server


class Echo(WebSocketServerProtocol):
    async def process_request(self, path, request_headers):
        print("demande", path, request_headers.get("Host"))


async def repondre(connexion):
    async for texte in connexion:
        await connexion.send(f"Hello client ! Received « {texte} »")


async def main():
    serveur = await websockets.server.serve(
        ws_handler=repondre, host="127.0.0.1", port=8888, klass=Echo, read_limit=2**12)
    await serveur.wait_closed()

asyncio.run(main())
