import asyncio
import websockets


async def hello(websocket, path):
    async for message in websocket:
        print(f"<<< {message}")
        await websocket.send(f'Hello client ! Received "{message}"')

start_server = websockets.serve(hello, "10.1.2.3", 8765)
asyncio.get_event_loop().run_until_complete(start_server)
asyncio.get_event_loop().run_forever()
