import asyncio
import http
import json
from pathlib import Path

from websockets.asyncio.server import broadcast, serve

PAGE = Path(__file__).with_name("ws_i_3_client.html")
salle = {}


def page(connection, request):
    if request.path == "/":
        reponse = connection.respond(http.HTTPStatus.OK, PAGE.read_text())
        reponse.headers["Content-Type"] = "text/html"
        return reponse
    if request.path != "/salle":
        return connection.respond(http.HTTPStatus.NOT_FOUND, "rien ici\n")


def a_tous(**quoi):
    broadcast(salle, json.dumps(quoi))


async def client(ws):
    salle[ws] = json.loads(await ws.recv())["moi"]
    a_tous(info=f"{salle[ws]} arrive")
    try:
        async for texte in ws:
            a_tous(de=salle[ws], dit=json.loads(texte)["dit"])
    finally:
        a_tous(info=f"{salle.pop(ws)} s'en va")


async def main():
    async with serve(client, "0.0.0.0", 8080, process_request=page):
        await asyncio.Future()


asyncio.run(main())
