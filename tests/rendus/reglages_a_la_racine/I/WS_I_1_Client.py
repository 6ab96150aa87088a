import asyncio, websockets
import configparser

config = configparser.ConfigParser()
config.read("config.ini")
HOST = config["server"]["host"]
PORT = config.getint("server", "port")

async def client():
    async with websockets.connect(f"ws://{HOST}:{PORT}", ping_interval=None) as websocket:
        message = input("Entrez une chaine : ")
        await websocket.send(message)
        reponse = await websocket.recv()
        print(reponse)

loop = asyncio.new_event_loop()
loop.run_until_complete(client())
