import asyncio, websockets
import configparser
import aioconsole
from urllib.parse import quote

config = configparser.ConfigParser()
config.read("config.ini")
HOST = config["server"]["host"]
PORT = config.getint("server", "port")

async def recevoir(websocket):
    async for message in websocket:
        print(message)

async def envoyer(websocket):
    while True:
        message = await aioconsole.ainput("")
        try:
            await websocket.send(message)
        except:
            pass

async def client():
    pseudo = await aioconsole.ainput("Pseudo ? ")
    async with websockets.connect(f"ws://{HOST}:{PORT}/{quote(pseudo)}") as websocket:
        await asyncio.gather(recevoir(websocket), envoyer(websocket), return_exceptions=True)

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
try:
    loop.run_until_complete(client())
except KeyboardInterrupt:
    print("arret")
