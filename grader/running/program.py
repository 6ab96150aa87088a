"""Un programme de l'étudiant en cours, sous la garde de keeper.py."""

import asyncio
import fcntl
import json
import os
import re
import signal
import socket
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from grader.clock import still, until
from grader.running.scratch import Scratch
from grader.verdict import Event, Note

KEEPER = Path(__file__).with_name("keeper.py")
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b[@-Z\\-_78=>c]")
MAX_OUTPUT = 1_000_000  # caractères gardés ; un programme qui en écrit quatre fois plus est arrêté
LIMITS = {
    "RLIMIT_CPU": 30,  # secondes
    "RLIMIT_FSIZE": 30_000_000,
    "RLIMIT_NOFILE": 512,
    "RLIMIT_CORE": 0,
}


class Program:
    """Ce qu'un programme écrit, ce qu'on y tape, ce que le calque y note.

    `events` sont les faits notés par le calque (écoutes, connexions, remarques), dans l'ordre.
    `remarks` sont celles que vaut la façon dont il a fallu le lancer.
    """

    def __init__(
        self, command: list[str], scratch: Scratch, folder: Path, remarks: Sequence[Note] = ()
    ) -> None:
        self.command, self.scratch, self.folder = command, scratch, folder
        self.remarks = list(remarks)
        self.raw = ""
        self.events: list[Event] = []
        self.exit_code: int | None = None
        self._flooded = False
        self._written = 0
        self._told, self._last = 0, ""
        self._gone = self._ended = False

    async def start(self, ports: Sequence[int], limits: dict[str, int], **environment: str) -> Self:
        """Lance le programme. `ports` : ceux où il a le droit de se connecter."""
        self._box = Path(tempfile.mkdtemp(dir=self.scratch.control))
        os.mkfifo(self._box / "ask")
        self._events_path = self._box / "events"
        self._events_path.touch()
        self._events_offset = 0
        order = {
            "command": self.command,
            "folder": str(self.folder),
            "limits": LIMITS | limits,
            "writable": self.scratch.writable,
            "ports": ports,
            "environment": self.scratch.environment(
                TP7_CONTROL=str(self._box), TP7_WORK=str(self.scratch.work), **environment
            ),
        }
        self._screen, theirs = os.openpty()
        _wide(theirs)
        self._control, control = socket.socketpair()
        self._keeper_pid = _spawn(
            [sys.executable, "-I", "-S", str(KEEPER), json.dumps(order)],
            {0: theirs, 1: theirs, 2: theirs, 3: control.fileno()},
        )
        os.close(theirs)
        control.close()
        self._news = b""
        os.set_blocking(self._screen, False)
        self._control.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._screen, self._read)
        self._loop.add_reader(self._control, self._listen)
        return self

    # --- Ce qu'il écrit, ce qu'on tape ------------------------------------------------------------

    def _read(self) -> None:
        try:
            data = os.read(self._screen, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._screen)
            return
        self._written += len(data)
        if len(self.raw) < MAX_OUTPUT:
            self.raw += data.decode("utf-8", "replace")
        elif self._written > 4 * MAX_OUTPUT and not self._flooded:
            self._flooded = True
            self.send_signal(signal.SIGKILL)

    def _listen(self) -> None:
        try:
            data = self._control.recv(4096)
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._control)
            self._gone = True
            return
        self._news += data
        *lines, self._news = self._news.split(b"\n")
        for line in lines:
            news = json.loads(line)
            self.exit_code = news.get("exit", self.exit_code)
            self._gone = self._gone or "gone" in news

    @property
    def output(self) -> str:
        """Ce qu'un lecteur a vu passer à l'écran, sans les codes de couleur et de curseur."""
        return ANSI.sub("", self.raw).replace("\r", "")

    @property
    def alive(self) -> bool:
        return self.exit_code is None and not self._gone

    @property
    def connected(self) -> bool:
        """Vrai dès qu'il a demandé une connexion au serveur du test."""
        return any(event["kind"] == "server" for event in self.noted("connect"))

    @property
    def question(self) -> str:
        """Ce qu'il a écrit depuis la dernière ligne tapée."""
        return self.output[self._told :].removeprefix(self._last).strip()

    async def tell(self, line: str) -> None:
        """Tape une ligne ; un programme fini ne la lira pas, et ce n'est pas une erreur."""
        self._told, self._last = len(self.output), line
        if not self.alive:
            return
        try:
            os.write(self._screen, line.encode() + b"\n")
        except OSError:
            pass

    def send_signal(self, number: int) -> None:
        try:
            self._control.send(f"{number}\n".encode())
        except OSError:
            pass

    async def quiet(self, silence: float = 0.25, longest: float = 3) -> None:
        """Attend que l'écran ne bouge plus depuis `silence` secondes, ou la fin."""
        await still(lambda: self._written, silence, longest, lambda: not self.alive)

    @property
    def urls(self) -> list[str]:
        """Les adresses où il écoute."""
        listens = self.noted("listen")
        hosts = (("[::1]" if ":" in e["host"] else "127.0.0.1", e["port"]) for e in listens)
        return [f"ws://{host}:{port}" for host, port in hosts]

    @property
    def url(self) -> str:
        return next(iter(self.urls), "")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2] or 0)

    # --- Ce que le calque note --------------------------------------------------------------------

    def noted(self, kind: str) -> list[Event]:
        """Les faits de cette sorte notés jusqu'ici."""
        self._refresh()
        return [event for event in self.events if event.get("event") == kind]

    def _refresh(self) -> None:
        try:
            with open(self._events_path, "rb") as file:
                file.seek(self._events_offset)
                data = file.read(4_000_000)
        except OSError:  # le rendu a pu effacer son dossier
            return
        complete = data.rpartition(b"\n")[0]
        self._events_offset += len(complete) + (1 if complete else 0)
        for line in complete.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                self.events.append(event)

    async def ask(self, question: dict[str, Any], seconds: float = 5) -> Event | None:
        """Pose une question au calque dans le processus de l'étudiant, et attend sa réponse."""
        question = question | {"id": time.monotonic_ns()}
        try:
            fifo = os.open(self._box / "ask", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            os.write(fifo, json.dumps(question).encode() + b"\n")
        finally:
            os.close(fifo)

        def answer() -> Event | None:
            return next((e for e in self.noted("answer") if e["id"] == question["id"]), None)

        return await until(answer, seconds)

    # --- La fin -----------------------------------------------------------------------------------

    async def end(self) -> None:
        """SIGTERM, un court délai, puis la mort de toute la descendance et l'oubli de la copie."""
        if self._ended:
            return
        self._ended = True
        if self.alive:
            self.send_signal(signal.SIGTERM)
            await until(lambda: not self.alive, 0.3)
        try:
            self._control.send(b"stop\n")
        except OSError:
            pass
        await until(lambda: self._gone, 20)
        self._refresh()
        self._loop.remove_reader(self._screen)
        self._loop.remove_reader(self._control)
        self._control.close()
        os.close(self._screen)
        await asyncio.to_thread(os.waitpid, self._keeper_pid, 0)
        self.scratch.remove()


def _wide(terminal: int) -> None:
    """Un terminal large : un message ne doit pas s'y couper en deux lignes."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))


def _spawn(command: list[str], descriptors: dict[int, int]) -> int:
    """Lance le gardien avec exactement ces descripteurs, et rend son numéro."""
    # Une copie haute d'abord : une source ne doit pas être écrasée avant d'avoir servi.
    copies = {n: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for n, fd in descriptors.items()}
    actions = [(os.POSIX_SPAWN_DUP2, fd, n) for n, fd in copies.items()]
    try:
        return os.posix_spawn(command[0], command, {}, file_actions=actions)
    finally:
        for fd in copies.values():
            os.close(fd)
