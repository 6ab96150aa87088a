import asyncio, websockets
import configparser
from urllib.parse import unquote

config = configparser.ConfigParser()
config.read("config.ini")
HOST = config["server"]["host"]
PORT = config.getint("server", "port")

global clients
clients = {}

# le pseudo est dans l'url : ws://host:port/pseudo
async def serveur(websocket, path):
    pseudo = unquote(path.strip("/"))
    if pseudo == "":
        await websocket.close(1008, "pas de pseudo")
        return
    clients[websocket] = pseudo
    print(f"+ {pseudo} ({len(clients)} connectes)")
    websockets.broadcast([c for c in clients if c != websocket], f"Annonce : {pseudo} a rejoint la chatroom")
    try:
        async for message in websocket:
            print(f"{pseudo} : {message}")
            websockets.broadcast([c for c in clients if c != websocket], f"{pseudo} a dit : {message}")
    except websockets.exceptions.ConnectionClosedError:
        print("deconnexion brutale de", pseudo)
    del clients[websocket]
    print(f"- {pseudo} ({len(clients)} connectes)")
    websockets.broadcast(clients, f"Annonce : {pseudo} a quitté la chatroom")

async def main():
    server = await websockets.serve(serveur, HOST, PORT)
    await server.wait_closed()

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
try:
    loop.run_until_complete(main())
except KeyboardInterrupt:
    print("arret")
