"""Un programme de l'étudiant en cours : son écran, son clavier, ce que le calque y note."""

import asyncio
import fcntl
import json
import os
import re
import signal
import struct
import tempfile
import termios
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from grader.clock import still, until
from grader.running.bounds import CONSOLE, DISK, MEMORY, PROCESSES
from grader.running.enclosure import current
from grader.running.guard import Order
from grader.running.journal import Journal
from grader.running.kernel import listening, usage
from grader.running.scratch import Scratch
from grader.verdict import Event, Note, Remark

ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b[@-Z\\-_78=>c]")
MAX_OUTPUT = 1_000_000  # caractères gardés de ce qu'il écrit
QUESTION = 2000  # caractères que l'on en lit pour savoir ce qu'il demande
LOOK = 0.05  # secondes entre deux mesures de ce qu'il prend
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

    lacks = signs = ""

    def __init__(
        self, command: list[str], scratch: Scratch, folder: Path, remarks: Sequence[Note] = ()
    ) -> None:
        self.command, self.scratch, self.folder = command, scratch, folder
        self.remarks = list(remarks)
        self.raw = ""
        self._written = 0
        self._told, self._last = 0, ""
        self._heard: dict[int, str] = {}  # port -> adresse
        self._ended = False

    async def start(self, ports: Sequence[int], limits: dict[str, int], **environment: str) -> Self:
        """Lance le programme. `ports` : ceux où il a le droit de se connecter."""
        box = Path(tempfile.mkdtemp(dir=self.scratch.control))
        ask, events = box / "ask", box / "events"
        events.touch()
        self._journal = Journal(os.open(events, os.O_RDONLY))
        self._ask = _fifo(ask)
        self._screen, theirs = os.openpty()
        _wide(theirs)
        environment |= {"TP7_CONTROL": str(box), "TP7_WORK": str(self.scratch.work)}
        self._enclosure = current()
        order = Order(
            self.command,
            self.scratch,
            self.folder,
            LIMITS | limits,
            ports,
            self.scratch.environment(**environment),
            events,
            ask,
        )
        self._guard = self._enclosure.guard(order, theirs)
        os.close(theirs)
        os.set_blocking(self._screen, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._screen, self._read)
        self._watching = asyncio.create_task(self._watch())
        return self

    @property
    def events(self) -> list[Event]:
        """Les faits notés par le calque."""
        return self._journal.events

    # --- Ce qu'il prend ---------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Arrête tout dès qu'il prend plus que sa part, et le note pour le rapport."""
        looks = 0
        while not self._guard.gone:
            taken = usage(self._guard.root) if self._guard.root else None
            if taken and taken.processes > PROCESSES:
                return self._cut(Remark.CUT_PROCESSES, PROCESSES)
            if taken and taken.memory > MEMORY:
                return self._cut(Remark.CUT_MEMORY, MEMORY // 1_000_000)
            if looks % 10 == 1 and await self._fills_the_disk():
                return
            looks += 1
            await asyncio.sleep(LOOK)

    async def _fills_the_disk(self) -> bool:
        if full := await asyncio.to_thread(self._guard.disk) > DISK:
            self._cut(Remark.CUT_DISK, DISK // 1_000_000)
        return full

    def _cut(self, remark: Remark, limit: int) -> None:
        self._enclosure.cut(remark, limit=str(limit))
        self._guard.stop()

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
        elif self._written > CONSOLE:
            self._cut(Remark.CUT_CONSOLE, CONSOLE // 1_000_000)

    @property
    def output(self) -> str:
        """Ce qu'un lecteur a vu passer à l'écran, sans les codes de couleur et de curseur."""
        return ANSI.sub("", self.raw).replace("\r", "")

    @property
    def alive(self) -> bool:
        return self._guard.exit_code is None and not self._guard.gone

    @property
    def connected(self) -> bool:
        """Vrai dès qu'il a demandé une connexion au serveur du test."""
        return any(event["kind"] == "server" for event in self.noted("connect"))

    @property
    def question(self) -> str:
        """La fin de ce qu'il a écrit depuis la dernière ligne tapée."""
        return self.output[self._told :].removeprefix(self._last).strip()[-QUESTION:]

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
        self._guard.signal(number)

    async def quiet(self, silence: float = 0.25, longest: float = 3) -> None:
        """Attend que l'écran ne bouge plus depuis `silence` secondes, ou la fin."""
        await still(lambda: self._written, silence, longest, lambda: not self.alive)

    @property
    def urls(self) -> list[str]:
        """Les adresses où il écoute, ou a écouté : le noyau l'a confirmé."""
        claimed = {
            e["port"]: "[::1]" if ":" in e["host"] else "127.0.0.1" for e in self.noted("listen")
        }
        if new := claimed.keys() - self._heard.keys():
            for port in listening(self._guard.root, set(new)):
                self._heard[port] = f"ws://{claimed[port]}:{port}"
        return [self._heard[port] for port in claimed if port in self._heard]

    @property
    def url(self) -> str:
        return next(iter(self.urls), "")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2] or 0)

    # --- Ce que le calque note --------------------------------------------------------------------

    def noted(self, kind: str) -> list[Event]:
        """Les faits de cette sorte notés jusqu'ici."""
        self._journal.refresh()
        return [event for event in self.events if event["event"] == kind]

    async def ask(self, question: dict[str, Any], seconds: float = 5) -> Event | None:
        """Pose une question au calque dans le processus de l'étudiant, et attend sa réponse."""
        question = question | {"id": time.monotonic_ns()}
        try:
            os.write(self._ask, json.dumps(question).encode() + b"\n")
        except OSError:  # personne ne lit
            return None

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
        self._guard.stop()
        await until(lambda: self._guard.gone, 20)
        await self._fills_the_disk()
        self._watching.cancel()
        with suppress(asyncio.CancelledError):
            await self._watching
        self._journal.close()
        self._loop.remove_reader(self._screen)
        os.close(self._screen)
        os.close(self._ask)
        self._ask = -1
        await self._guard.close()
        self._enclosure.closed = self._enclosure.closed or self.scratch.closed
        self.scratch.remove()


def _fifo(path: Path) -> int:
    """Une FIFO neuve, ouverte pour y écrire sans attendre qu'on la lise.

    Ouverte avant le lancement : le rendu peut mettre à sa place un lien vers n'importe quoi.
    """
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    finally:
        os.close(reading)


def _wide(terminal: int) -> None:
    """Un terminal large : un message ne doit pas s'y couper en deux lignes."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
