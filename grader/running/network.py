"""Le réseau où se parlent un rendu et le correcteur : celui de la machine, ou un réseau à part.

Un réseau à part est celui de bubblewrap : ce qui y tourne ne joint rien d'autre. Le correcteur
reste dehors ; un guichet, dedans, fait les sockets qu'il lui demande et les lui passe. Une socket
reste dans le réseau où elle est née.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Protocol

COUNTER = Path(__file__).with_name("counter.py")
FAMILIES = {"4": socket.AF_INET, "6": socket.AF_INET6}
SECONDS = 10


class Network(Protocol):
    @property
    def entrance(self) -> list[str]:
        """Ce qui, devant une commande, la fait tourner dans ce réseau."""

    def listener(self) -> socket.socket:
        """Une socket qui écoute sur la boucle locale."""

    def unconnected(self, family: str = "4") -> socket.socket: ...

    def close(self) -> None: ...


class MachineNetwork:
    """Celui où tourne le correcteur."""

    entrance: list[str] = []

    def listener(self) -> socket.socket:
        return socket.create_server(("127.0.0.1", 0))

    def unconnected(self, family: str = "4") -> socket.socket:
        return socket.socket(FAMILIES[family])

    def close(self) -> None:
        pass


class OwnNetwork:
    """Un réseau à part, tenu par un guichet qui y vit ; il s'en va avec lui."""

    def __init__(self, bubblewrap: str) -> None:
        """Lève OSError si bubblewrap ne veut pas."""
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._link.settimeout(SECONDS)
        self._process = subprocess.Popen(
            [bubblewrap, "--unshare-user", "--unshare-net", "--die-with-parent", "--dev-bind",
             "/", "/", sys.executable, "-I", "-S", str(COUNTER), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        theirs.close()
        try:
            inside = int(self._link.recv(100) or 0)
        except OSError:
            inside = 0
        if not inside:
            raise OSError(self._end() or "bubblewrap ne répond pas")
        self.entrance = [
            shutil.which("nsenter") or "nsenter", f"--user=/proc/{inside}/ns/user",
            f"--net=/proc/{inside}/ns/net", "--preserve-credentials", "--",
        ]  # fmt: skip

    def listener(self) -> socket.socket:
        return self._ask("listen")

    def unconnected(self, family: str = "4") -> socket.socket:
        return self._ask(family)

    def _ask(self, what: str) -> socket.socket:
        self._link.send(what.encode())
        _, found, _, _ = socket.recv_fds(self._link, 10, 1, socket.MSG_CMSG_CLOEXEC)
        if not found:
            raise OSError(f"le guichet du réseau n'a pas donné de socket ({what})")
        return socket.socket(fileno=found[0])

    def close(self) -> None:
        self._end()

    def _end(self) -> str:
        """Arrête tout, et rend ce que bubblewrap avait à dire."""
        self._link.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.communicate()[1].decode("utf-8", "replace").strip()


async def dial(network: Network, host: str, port: int) -> socket.socket:
    """Une connexion TCP dans ce réseau."""
    link = network.unconnected("6" if ":" in host else "4")
    link.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(link, (host, port))
    except BaseException:
        link.close()
        raise
    return link
