from websockets.sync.server import serve


def hello(websocket):
    for message in websocket:
        websocket.send(f"Hello client! Received: {message!r}")


with serve(hello, "10.0.2.15", 8765) as server:
    server.serve_forever()
