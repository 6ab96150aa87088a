import os

HOST, PORT = os.getenv("WS_ADDR", "127.0.0.1:5050").split(":")
PORT = int(PORT)
