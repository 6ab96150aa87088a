from websockets.sync.client import connect

adresse = input("Adresse du serveur : ")
with connect(f"ws://{adresse}:8765") as websocket:
    while (texte := input(">>> ")) != "quit":
        websocket.send(texte)
        print("<<<", websocket.recv())
