"""La garde que cette machine permet : bubblewrap si un vrai lancement y réussit, sinon Landlock.

`TP7_ISOLATION=landlock` prend la plus faible, `TP7_ISOLATION=bubblewrap` refuse de noter sans la
plus forte.
"""

import ctypes
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import cache

from grader.running.bubblewrap import confined, interpreters
from grader.running.network import OwnNetwork

FORCED = os.environ.get("TP7_ISOLATION", "")
LANDLOCK_VERSION = 444  # l'appel système qui la dit, le même sur toutes les architectures
ENOUGH = 4  # la première version qui filtre les connexions TCP
SECONDS = 30
# De quoi être sûr : nos paquets se lisent, la boucle locale marche, la machine ne se voit pas.
PROBE = """
import os, socket, sys, websockets.asyncio.server
with socket.create_server(("127.0.0.1", 0)) as here:
    socket.create_connection(here.getsockname()).close()
socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
assert not os.path.exists("/etc/shadow") and os.getpid() < 9
"""


class Way(StrEnum):
    BUBBLEWRAP = auto()
    LANDLOCK = auto()
    NOTHING = auto()


@dataclass(frozen=True)
class Isolation:
    """La garde retenue, et sinon ce qu'a dit bubblewrap. `program` : son chemin."""

    way: Way
    program: str = ""
    trouble: str = ""

    @property
    def remedy(self) -> str:
        """Ce qui rendrait la plus forte : l'installer, la permettre, ou ne plus s'en passer."""
        if FORCED:
            return "forced"
        return "refused" if self.program else "absent"


class Unsafe(Exception):
    """La garde que l'on a exigée ne marche pas ici."""


@cache
def isolation() -> Isolation:
    """Ce que cette machine permet, essayé une fois par un vrai lancement ; lève Unsafe."""
    weaker = Way.LANDLOCK if landlock() >= ENOUGH else Way.NOTHING
    if FORCED == Way.LANDLOCK:
        return Isolation(weaker, trouble="TP7_ISOLATION=landlock")
    program = shutil.which("bwrap") or ""
    trouble = probe(program) if program else "bwrap : absent"
    if not trouble:
        return Isolation(Way.BUBBLEWRAP, program)
    if FORCED == Way.BUBBLEWRAP:
        raise Unsafe(f"TP7_ISOLATION=bubblewrap : {trouble}")
    return Isolation(weaker, program, trouble)


def probe(program: str) -> str:
    """Lance un programme comme le sera chaque rendu ; rend ce qui ne va pas, ou rien."""
    try:
        network = OwnNetwork(program)
    except OSError as error:
        return str(error)
    try:
        with network.listener() as listener:
            command = [sys.executable, "-c", PROBE, str(listener.getsockname()[1])]
            done = subprocess.run(
                [*confined(program, network, interpreters(command)), *command],
                env={},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SECONDS,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        network.close()
    lines = done.stderr.strip().splitlines()
    return (lines[-1] if lines else f"code {done.returncode}") if done.returncode else ""


def landlock() -> int:
    """La version de Landlock que ce noyau connaît ; 0 sans lui."""
    if sys.platform != "linux":
        return 0
    return max(0, int(ctypes.CDLL(None).syscall(LANDLOCK_VERSION, None, 0, 1)))
