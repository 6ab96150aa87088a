"""Envoie au serveur des messages vides sans fin, quoi que l'on tape."""

import socket
import threading

from ws_i_1_server import drain

input("message ?")
link = socket.create_connection(("127.0.0.1", 8765))
link.sendall(
    b"GET / HTTP/1.1\r\nHost: localhost:8765\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
link.recv(4096)
threading.Thread(target=drain, args=(link,), daemon=True).start()
while True:
    link.sendall(b"\x81\x80\0\0\0\0" * 30_000)
