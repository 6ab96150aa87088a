import threading
import tkinter as tk
from tkinter import simpledialog
from websockets.sync.client import connect

fenetre = tk.Tk()
fenetre.title("Chat")
zone = tk.Text(fenetre)
zone.pack()
champ = tk.Entry(fenetre)
champ.pack(fill="x")
pseudo = simpledialog.askstring("Pseudo", "Ton pseudo ?")
ws = connect("ws://192.168.10.10:8888")
ws.send(f"Hello|{pseudo}")


def recevoir():
    try:
        for m in ws:
            zone.insert("end", m + "\n")
    except Exception:
        pass
    zone.insert("end", "Serveur parti\n")


def envoyer(_):
    ws.send(champ.get())
    champ.delete(0, "end")


champ.bind("<Return>", envoyer)
threading.Thread(target=recevoir, daemon=True).start()
fenetre.mainloop()
