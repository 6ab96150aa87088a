import threading
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

verrou = threading.Lock()
participants = []


def dire(texte, sauf=None):
    with verrou:
        cibles = [p for p in participants if p[0] is not sauf]
    for ws, _ in cibles:
        try:
            ws.send(texte)
        except ConnectionClosed:
            pass


def client(ws):
    nom = ws.recv()
    with verrou:
        participants.append((ws, nom))
    dire(f"{nom} has joined!", ws)
    try:
        for texte in ws:
            dire(f"\033[1;31m{nom.upper()}\033[0m: {texte}", ws)
    except ConnectionClosed:
        pass
    with verrou:
        participants.remove((ws, nom))
    dire(f"{nom} has left!")


with serve(client, "10.0.2.15", 8765) as server:
    server.serve_forever()
