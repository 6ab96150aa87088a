import asyncio, websockets
import configparser

config = configparser.ConfigParser()
config.read("config.ini")
HOST = config["server"]["host"]
PORT = config.getint("server", "port")

async def serveur(websocket, path):
    print("nouveau client", websocket.remote_address)
    try:
        while True:
            data = await websocket.recv()
            print("Reçu :", data)
            await websocket.send(f"Hello client ! Received '{data}'")
    except websockets.exceptions.ConnectionClosed:
        print("client parti")

async def main():
    server = await websockets.serve(serveur, HOST, PORT)
    await server.wait_closed()

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
loop.run_until_complete(main())
