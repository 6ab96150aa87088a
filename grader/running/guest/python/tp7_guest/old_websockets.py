"""Les vieux scripts tournent sur les versions d'avant 14 que la bibliothèque garde encore."""

import os


def patch(module):
    """Fait de `websockets` ce qu'il était, si le correcteur a lu que ce script l'attend ainsi."""
    if os.environ.get("TP7_WEBSOCKETS") != "legacy":
        return
    from websockets.legacy import client, server

    module.serve, module.unix_serve = server.serve, server.unix_serve
    module.connect, module.unix_connect = client.connect, client.unix_connect
    module.broadcast = server.broadcast
