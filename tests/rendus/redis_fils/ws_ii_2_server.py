import json
import threading
import uuid
import redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

bdd = redis.Redis(host="10.6.6.6", decode_responses=True)


def relayer(ws, moi, abonnement):
    for evenement in abonnement.listen():
        if evenement["type"] == "message":
            auteur, texte = json.loads(evenement["data"])
            if auteur != moi:
                ws.send(texte)


def salle(ws):
    nom, moi = ws.recv().split("|")[1], uuid.uuid4().hex
    bdd.hset("presents", moi, nom)
    abonnement = bdd.pubsub()
    abonnement.subscribe("salon")
    threading.Thread(target=relayer, args=(ws, moi, abonnement), daemon=True).start()
    bdd.publish("salon", json.dumps([moi, f"{nom} arrive"]))
    try:
        for texte in ws:
            bdd.publish("salon", json.dumps([moi, f"{bdd.hget('presents', moi)} : {texte}"]))
    except ConnectionClosed:
        pass
    bdd.hdel("presents", moi)
    bdd.publish("salon", json.dumps([moi, f"{nom} s'en va"]))


with serve(salle, "10.6.6.5", 8765) as server:
    server.serve_forever()
