"""Ce que coûte un client à un serveur : mémoire, descripteurs, connexions."""

import re
import socket
from collections.abc import Callable
from pathlib import Path

from .chat import Chatter
from .processes import Process, Server
from .room import Room


def memory(process: Process, measure: str = "VmRSS") -> float:
    """La mémoire résidente d'un processus, en Mo ; `VmHWM` : son maximum (man 5 proc)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{measure}:\s+(\d+) kB", status)[1]) / 1024


def descriptors(process: Process) -> int:
    """Combien de fichiers et de connexions un processus tient ouverts."""
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


def memory_growth(process: Process) -> Callable[[], float]:
    """Rend une fonction qui dit de combien de Mo la mémoire a grandi au plus depuis cet appel."""
    # Écrire 5 ramène le maximum retenu par Linux, VmHWM, à la mémoire du moment.
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    before = memory(process)
    return lambda: memory(process, "VmHWM") - before


def connections(server: Server) -> int:
    """Combien de clients un serveur tient encore : reliés, ou partis sans qu'il ait fermé."""
    held = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        # 01 : reliés ; 08 : l'autre a fermé, nous pas encore.
        held += local.endswith(f":{server.port:04X}") and state in ("01", "08")
    return held


async def deaf_client(room: Room, first: str, server: Server | None = None) -> Chatter:
    """Fait entrer quelqu'un qui, une fois accepté, ne lit plus rien, pas même une fermeture.

    `first` : sa première trame, `Hello|…` ou `ID|…`.
    """
    raw = socket.socket()
    # Un petit tampon de réception : le noyau garde le moins possible à la place du serveur.
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", (server or room.servers[0]).port))
    raw.setblocking(False)
    chatter = await room.open(first, server, sock=raw, ping_interval=None)
    await chatter.until(lambda: chatter.lines, f"« {first} » attend d'être accepté")
    chatter.websocket.transport.pause_reading()
    return chatter
