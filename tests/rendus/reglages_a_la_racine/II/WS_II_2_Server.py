import asyncio, websockets
import configparser
import redis.asyncio as redis
from urllib.parse import unquote

config = configparser.ConfigParser()
config.read("config.ini")
HOST = config["server"]["host"]
PORT = config.getint("server", "port")
r = redis.Redis(host=config["redis"]["host"], port=config.getint("redis", "port"), decode_responses=True)

async def envoi(pseudo, message):
    for p in await r.keys("*"):
        if p != pseudo:
            ws = await r.hget(p, "ws")
            try:
                await ws.send(message)
            except Exception as e:
                print("erreur envoi :", e)

async def serveur(websocket, path):
    pseudo = unquote(path.strip("/"))
    if pseudo == "":
        await websocket.close(1008, "pas de pseudo")
        return
    await r.hset(pseudo, mapping={"ws": str(websocket), "ip": websocket.remote_address[0], "port": websocket.remote_address[1]})
    await envoi(pseudo, f"Annonce : {pseudo} a rejoint la chatroom")
    try:
        async for message in websocket:
            print(f"{pseudo} : {message}")
            await envoi(pseudo, f"{pseudo} a dit : {message}")
    except websockets.exceptions.ConnectionClosedError:
        print("deconnexion brutale de", pseudo)
    await r.delete(pseudo)
    await envoi(pseudo, f"Annonce : {pseudo} a quitté la chatroom")

async def main():
    server = await websockets.serve(serveur, HOST, PORT)
    await server.wait_closed()

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
try:
    loop.run_until_complete(main())
except KeyboardInterrupt:
    print("arret")
