import asyncio
import json
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
import config


async def handle(ws):
    try:
        async for raw in ws:
            event = json.loads(raw)
            if event["type"] != "message":
                await ws.send(json.dumps({"type": "error", "data": {"text": "type inconnu"}}))
                continue
            txt = event["data"]["text"]
            print(f"Message recu : {txt}")
            await ws.send(json.dumps({
                "type": "reply",
                "data": {"text": f'Hello client ! Received "{txt}"'},
            }, ensure_ascii=False))
    except ConnectionClosed:
        print("client parti")


async def main():
    async with serve(handle, config.HOST, config.PORT) as server:
        print(f"Serveur sur {config.HOST}:{config.PORT}")
        await server.serve_forever()

if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
