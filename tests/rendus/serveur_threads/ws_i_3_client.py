import os
import threading
from websockets.sync.client import connect

with connect("ws://10.0.2.15:8765") as ws:
    ws.send(input("Nickname? "))

    def lire():
        for m in ws:
            print(m)
        print("bye")
        os._exit(0)

    threading.Thread(target=lire, daemon=True).start()
    while True:
        ws.send(input())
