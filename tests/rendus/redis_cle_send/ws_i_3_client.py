import asyncio
import websockets
import aioconsole

async def receive(websocket):
    while True:
        message = await websocket.recv()
        print(message)

async def send(websocket):
    while True:
        message = await aioconsole.ainput("message : ")
        await websocket.send(message)

async def main():
    uri = "ws://10.8.0.2:8888"
    async with websockets.connect(uri) as websocket:
        pseudo = input("pseudo : ")
        await websocket.send(f"Hello|{pseudo}")
        await asyncio.gather(receive(websocket), send(websocket))

try:
    asyncio.run(main())
except websockets.exceptions.ConnectionClosed:
    print("Le serveur a fermé la connexion")
except KeyboardInterrupt:
    pass
