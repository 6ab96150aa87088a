"""La garde la plus forte : bubblewrap, où un rendu ne voit que sa copie et de quoi tourner.

Ni les fichiers de la machine, ni ses processus, ni son réseau : tout ce qu'il peut toucher est à
lui, borné, et disparaît avec lui.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grader.running.bounds import DISK
from grader.running.guard import Order, spawn
from grader.running.kernel import descendants
from grader.running.network import Network

GUEST = Path(__file__).parent / "guest"
ROOT = Path(__file__).resolve().parents[2]
START = GUEST / "start.py"
HAND_IN = "/rendu"  # la copie du rendu, en lecture seule : start.py la recopie là où elle doit être
STATUS = 3
# Ce dont un programme a besoin dans /etc, et qui n'apprend rien de celui qui note.
SETTINGS = ("alternatives", "chromium", "chromium.d", "fonts", "ld.so.cache", "ld.so.conf",
            "ld.so.conf.d", "localtime", "mime.types", "ssl/certs", "ssl/openssl.cnf")  # fmt: skip
# Ceux-là en diraient le nom : ils sont à nous.
NAMES = ("group", "hosts", "passwd")
THREADS = 512
ROOM_LEFT = 100_000  # octets : il en reste si peu qu'il a tout pris


def confined(bubblewrap: str, network: Network, places: list[str], room: int = DISK) -> list[str]:
    """La commande qui enferme la suivante. `places` : ce qu'elle y voit de plus ; `room` : les
    octets qu'elle peut y écrire.
    """
    return [
        *network.entrance, bubblewrap, "--unshare-user", "--unshare-ipc", "--unshare-pid",
        "--unshare-uts", "--unshare-cgroup-try", "--disable-userns", "--cap-drop", "ALL",
        "--die-with-parent", "--uid", "1000", "--gid", "1000", "--hostname", "tp7",
        "--proc", "/proc", "--dev", "/dev", *bounded("/dev/shm", room // 5), "--remount-ro", "/dev",
        *system(), *bounded("/tmp", room), *places, "--remount-ro", "/", "--",
    ]  # fmt: skip


def bounded(folder: str, size: int) -> list[str]:
    """Un dossier à lui, en mémoire, qui ne passe pas cette taille."""
    return ["--size", str(size), "--tmpfs", folder]


def seen(path: Path | str) -> list[str]:
    """Visible tel quel, en lecture seule."""
    return ["--ro-bind-try", str(path), str(path)]


def system() -> list[str]:
    """Les programmes de la machine, et de quoi les lancer."""
    found = seen("/usr")
    for path in sorted(Path("/").glob("*bin")) + sorted(Path("/").glob("lib*")):
        found += ["--symlink", os.readlink(path), str(path)] if path.is_symlink() else seen(path)
    for name in SETTINGS:
        found += seen(f"/etc/{name}")
    for name in NAMES:
        found += ["--ro-bind", str(GUEST / "etc" / name), f"/etc/{name}"]
    return found


def interpreters(command: list[str]) -> list[str]:
    """Ce que demandent notre Python, ses paquets, notre calque, et le programme qu'on lance."""
    places = {
        Path(sys.base_prefix).resolve(), Path(sys.prefix), Path(sys.prefix).resolve(),
        Path(sysconfig.get_path("purelib")).resolve(), around(command[0]),
        GUEST, ROOT / "node_modules", (ROOT / "node_modules").resolve(),
    }  # fmt: skip
    outside = (path for path in sorted(places) if not path.is_relative_to("/usr"))
    return [word for path in outside for word in ("--ro-bind-try", str(path.resolve()), str(path))]


def around(command: str) -> Path:
    """Où est installé ce programme ; lui seul, si c'est parmi les affaires de quelqu'un."""
    program = Path(shutil.which(command) or command).resolve()
    prefix = program.parents[1] if program.parent.name == "bin" else program.parent
    return program if Path.home().is_relative_to(prefix) else prefix


def files(order: Order) -> Iterator[str]:
    """La copie du rendu à recopier, la place où le faire, et de quoi parler au calque."""
    scratch = order.scratch
    yield from bounded(str(scratch.root), DISK + scratch.size)
    yield from ("--ro-bind", str(scratch.work), HAND_IN)
    if scratch.packages:
        yield from seen(scratch.packages)
    for path in (order.events, order.ask):
        yield from ("--bind", str(path), str(path))


class Bubble:
    """Un programme dans bubblewrap. Le premier processus de sa bulle emporte tous les autres."""

    def __init__(self, bubblewrap: str, network: Network, order: Order, terminal: int) -> None:
        self.exit_code: int | None = None
        self.gone = False
        self.root = 0
        self._scratch = order.scratch
        self._handle: int | None = None  # celui du premier processus : son numéro peut resservir
        self._room: int | None = None  # sa place, qui se mesure encore quand il est mort
        self._news = b""
        places = [*files(order), *interpreters(order.command)]
        started = {
            "command": order.command,
            "folder": str(order.folder),
            "limits": order.limits | {"RLIMIT_NPROC": THREADS},
            "environment": order.environment,
            "copy": [HAND_IN, str(order.scratch.work)],
            "folders": [str(order.scratch.home), str(order.scratch.temporary)],
        }
        shut = confined(bubblewrap, network, ["--json-status-fd", str(STATUS), *places])
        begin = [sys.executable, "-I", "-S", str(START), json.dumps(started)]
        self._status, theirs = os.pipe()
        self._pid = spawn([*shut, *begin], {0: terminal, 1: terminal, 2: terminal, STATUS: theirs})
        os.close(theirs)
        os.set_blocking(self._status, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._status, self._listen)

    def _listen(self) -> None:
        try:
            data = os.read(self._status, 4096)
        except BlockingIOError:
            return
        if not data:  # bubblewrap a fini
            self._loop.remove_reader(self._status)
            if self._handle is None:
                self.exit_code, self.gone = 127, True
            return
        self._news += data
        *lines, self._news = self._news.split(b"\n")
        for line in lines:
            self._learn(json.loads(line))

    def _learn(self, news: dict[str, Any]) -> None:
        if "child-pid" in news:
            self.root = news["child-pid"]
            try:
                self._handle = os.pidfd_open(self.root)
            except OSError:  # déjà fini
                self.gone = True
                return
            self._loop.add_reader(self._handle, self._over)
        self.exit_code = news.get("exit-code", self.exit_code)

    def _over(self) -> None:
        """Le premier processus est mort : le noyau a fini tous les autres avant."""
        assert self._handle is not None
        self._loop.remove_reader(self._handle)
        self.gone = True

    def disk(self) -> int:
        """Le noyau compte pour nous : il reste de la place, ou il a tout pris."""
        try:
            if self._room is None:
                self._room = self._open_room()
            space = os.fstatvfs(self._room)
        except OSError:  # pas encore, ou déjà plus
            return 0
        return DISK + 1 if space.f_bavail * space.f_frsize < ROOM_LEFT else 0

    def _open_room(self) -> int:
        """Sa place, vue de dehors ; lève OSError tant qu'il n'est pas dans sa bulle."""
        place = self._scratch.root
        room = os.open(f"/proc/{self.root}/root{place}", os.O_PATH)
        if os.fstat(room).st_dev == os.stat(place).st_dev:
            os.close(room)
            raise OSError("il voit encore la machine")
        return room

    def signal(self, number: int) -> None:
        """Au programme et à son groupe, comme le ferait un terminal."""
        for pid in descendants(self.root) if self.root else ():
            if _number_inside(pid) == 2:  # le premier-né de la bulle
                try:
                    os.killpg(pid, number)
                except OSError:
                    pass
                return

    def stop(self) -> None:
        try:
            if self._handle is not None:
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            else:
                os.kill(self._pid, signal.SIGKILL)
        except OSError:
            pass

    async def close(self) -> None:
        self._loop.remove_reader(self._status)
        os.close(self._status)
        if self._room is not None:
            os.close(self._room)
        if self._handle is not None:
            self._loop.remove_reader(self._handle)
            os.close(self._handle)
        os.kill(self._pid, signal.SIGKILL)  # déjà fini, en général
        await asyncio.to_thread(os.waitpid, self._pid, 0)


def _number_inside(pid: int) -> int:
    """Le numéro de ce processus tel qu'il se voit lui-même."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    numbers = next((line for line in status.splitlines() if line.startswith("NSpid:")), "0")
    return int(numbers.split()[-1])
