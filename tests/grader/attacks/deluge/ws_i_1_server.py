"""Répond à qui vient par des messages vides et des pings, sans fin."""

import base64
import hashlib
import socket
import sys
import threading

FLOOD = b"\x81\x00\x89\x00" * 20_000
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def flood(link):
    head = b""
    while b"\r\n\r\n" not in head:
        head += link.recv(4096)
    key = head.lower().index(b"sec-websocket-key: ") + 19
    accept = base64.b64encode(hashlib.sha1(head[key : key + 24] + MAGIC).digest())
    link.sendall(
        b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    threading.Thread(target=drain, args=(link,), daemon=True).start()
    while True:
        link.sendall(FLOOD)


def drain(link):
    while link.recv(65536):
        pass


def serve():
    threading.excepthook = lambda *_: None  # ceux qui s'en vont
    with socket.create_server(("0.0.0.0", 8765)) as server:
        while True:
            threading.Thread(target=flood, args=(server.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    serve()
