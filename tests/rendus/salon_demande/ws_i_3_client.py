import os
import sys
import threading
from websockets.sync.client import connect

salon = input("Salon [general] : ") or "general"
nom = input("Nom d'utilisateur : ")
ws = connect("ws://127.0.0.1:7777")
ws.send(f"JOIN {salon} {nom}")
reponse = ws.recv()
if not reponse.startswith("OK"):
    sys.exit("refuse : " + reponse)
print("Bienvenue ! (/qui pour la liste)")


def lire():
    for texte in ws:
        print(texte)
    print("Connexion fermee par le serveur.")
    os._exit(0)


threading.Thread(target=lire, daemon=True).start()
for ligne in sys.stdin:
    ws.send(ligne.rstrip())
