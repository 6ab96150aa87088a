"""Un serveur de comédie : il joue la scène qu'on lui donne, pour éprouver un client."""

import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from .processes import wait_for

Scene = Callable[[ServerConnection, str], None]


def hospitable(connection: ServerConnection, frame: str) -> None:
    """Un serveur de chat qui accepte tout le monde, et ferme avec le code qu'on lui dit."""
    if frame == "":
        connection.send("")
    elif frame.startswith("Hello|"):
        connection.send("ID|secret-42")
    elif frame.startswith("ID|"):
        connection.send("Welcome back Léa !")
    elif order := re.fullmatch(r"ferme (\d+)", frame):
        connection.close(int(order[1]))
    elif frame == "coupe":
        connection.socket.shutdown(socket.SHUT_RDWR)


class FakeServer:
    """Un serveur dans un fil, qui appelle `scene(connection, frame)` à chaque trame reçue.

    `frames` : tout ce qu'il a reçu, dans l'ordre, sauf les trames vides. Il redémarre sur le même
    port. `hush()` : les connexions présentes restent ouvertes et muettes, comme un fil coupé sans
    bruit ; ce qu'elles disent encore est perdu.
    """

    def __init__(self, scene: Scene = hospitable):
        self.scene = scene
        self.frames: list[str] = []
        self.connections: list[ServerConnection] = []
        self._hushed: list[ServerConnection] = []
        self.port = 0

    def __enter__(self) -> "FakeServer":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        self._server = serve(self._handle, "127.0.0.1", self.port, compression=None)
        self.port = self._server.socket.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _handle(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        with suppress(ConnectionClosed):
            for frame in connection:
                if connection not in self._hushed:
                    if frame:
                        self.frames.append(frame)
                    self.scene(connection, frame)

    def hush(self) -> None:
        self._hushed = list(self.connections)

    def stop(self) -> None:
        """Ferme tout, avec 1001."""
        self._server.shutdown()
        self._thread.join()
        for connection in self.connections:
            connection.close(1001)

    def say(self, frame: str) -> None:
        """Envoie une trame sur la connexion la plus récente."""
        self.connections[-1].send(frame)

    def wait_frames(self, *expected: str, timeout: float = 10) -> None:
        """Attend d'avoir reçu exactement ces trames, dans cet ordre."""
        wait_for(
            lambda: self.frames == list(expected),
            lambda: f"reçu {self.frames}, attendu {list(expected)}",
            timeout,
        )
