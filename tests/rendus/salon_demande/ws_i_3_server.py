import threading
from websockets.sync.server import serve
from websockets.exceptions import ConnectionClosed

verrou = threading.Lock()
salons = {}


def diffuser(salon, texte, sauf=None):
    with verrou:
        cibles = [w for w in salons.get(salon, {}) if w is not sauf]
    for w in cibles:
        try:
            w.send("\033[33m" + texte + "\033[0m")
        except ConnectionClosed:
            pass


def client(ws):
    ordre, salon, nom = ws.recv().split(" ", 2)
    if ordre != "JOIN":
        ws.send("ERREUR")
        return
    with verrou:
        salons.setdefault(salon, {})[ws] = nom
    ws.send(f"OK {salon}")
    diffuser(salon, f"* {nom} entre dans {salon}", ws)
    try:
        for texte in ws:
            if texte == "/qui":
                ws.send(", ".join(salons[salon].values()))
            else:
                diffuser(salon, f"{nom.upper()}> {texte}", ws)
    finally:
        with verrou:
            del salons[salon][ws]
        diffuser(salon, f"* {nom} sort de {salon}")


with serve(client, "127.0.0.1", 7777) as server:
    server.serve_forever()
