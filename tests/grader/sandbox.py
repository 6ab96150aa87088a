"""Le bac à sable : une copie jetable du rendu, et des programmes sous bonne garde."""

import asyncio
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

HERE = Path(__file__).parent
PATIENCE = float(os.environ.get("TESTS_PATIENCE", "1"))
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b[@-Z\\-_78=>c]")
MAX_OUTPUT = 1_000_000  # caractères gardés ; un programme qui en écrit quatre fois plus est arrêté
MAX_FILE, MAX_FILES = 20_000_000, 20_000
NOT_COPIED = {".git", ".hg", ".venv", "venv", "env", "__pycache__", ".idea", ".vscode", ".data"}
LIMITS = {
    "RLIMIT_CPU": 30,  # secondes
    "RLIMIT_FSIZE": 30_000_000,
    "RLIMIT_NOFILE": 512,
    "RLIMIT_CORE": 0,
}
PATH = os.environ.get("PATH", os.defpath)
MEMORY = 2_000_000_000  # octets d'adresses ; Node en réserve bien plus qu'il n'en utilise


async def until(condition: Callable[[], T], seconds: float) -> T | None:
    """Rend la première valeur vraie de `condition()`, ou None après `seconds` secondes."""
    deadline = time.monotonic() + seconds * PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            return None
        await asyncio.sleep(0.01)
    return value


class Scratch:
    """Une copie neuve d'un rendu : le dossier `work`, et à côté HOME, TMPDIR et le contrôle."""

    def __init__(self, hand_in: Path, without: tuple[str, ...] = ()):
        """`without` : chemins relatifs à ne pas copier (la trace d'une exécution précédente)."""
        self.root = Path(tempfile.mkdtemp(prefix="tp7-")).resolve()
        self.work, self.home, self.temporary, self.control = (
            self.root / name for name in ("work", "home", "tmp", "control")
        )
        for folder in (self.home, self.temporary, self.control):
            folder.mkdir()
        self._count = 0
        self._copy(hand_in, self.work, {hand_in / name for name in without})

    def _copy(self, source: Path, target: Path, without: set[Path]) -> None:
        """Copie les fichiers ordinaires ; un lien symbolique mènerait hors du rendu."""
        target.mkdir()
        for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
            path = Path(entry.path)
            if entry.is_symlink() or path in without:
                continue
            if entry.is_dir():
                if entry.name not in NOT_COPIED:
                    self._copy(path, target / entry.name, without)
            elif entry.is_file() and entry.stat().st_size <= MAX_FILE and self._count < MAX_FILES:
                self._count += 1
                shutil.copyfile(path, target / entry.name)

    @property
    def writable(self) -> list[str]:
        return [str(path) for path in (self.work, self.home, self.temporary, self.control)]

    def environment(self, **changes: str) -> dict[str, str]:
        """Rien de celui qui note : ni secret, ni mandataire, ni réglage de Python."""
        return {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), PATH]),
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "COLUMNS": "200",
            "LINES": "50",
            "PYTHONUTF8": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **changes,
        }

    def remove(self) -> None:
        for folder, _, _ in os.walk(self.root):
            os.chmod(folder, 0o700)
        shutil.rmtree(self.root, ignore_errors=True)


class Program:
    """Un programme de l'étudiant en cours : ce qu'il écrit, ce qu'on tape, ce que le calque note.

    `events` sont les faits notés par le calque (écoutes, connexions, remarques), dans l'ordre.
    """

    def __init__(self, command: list[str], scratch: Scratch, folder: Path | None = None):
        self.command, self.scratch, self.folder = command, scratch, folder or scratch.work
        self.raw = ""
        self.events: list[dict] = []
        self.exit_code: int | None = None
        self.flooded = False
        self.started = time.monotonic()
        self._written = 0
        self._told, self._last = 0, ""
        self._gone = False

    async def start(
        self,
        *,
        terminal: bool = True,
        limit_memory: bool = True,
        ports: tuple[int, ...] = (),
        **environment: str,
    ) -> "Program":
        """Lance le programme. `ports` : ceux où il a le droit de se connecter."""
        self._box = Path(tempfile.mkdtemp(dir=self.scratch.control))
        os.mkfifo(self._box / "ask")
        self._events_path = self._box / "events"
        self._events_path.touch()
        self._events_offset = 0
        limits = LIMITS | ({"RLIMIT_AS": MEMORY} if limit_memory else {})
        order = {
            "command": self.command,
            "folder": str(self.folder),
            "terminal": terminal,
            "limits": limits,
            "writable": self.scratch.writable,
            "ports": list(ports),
            "environment": self.scratch.environment(
                TP7_CONTROL=str(self._box), TP7_WORK=str(self.scratch.work), **environment
            ),
        }
        if terminal:
            self._input, theirs = os.openpty()
            out_read = self._input
            theirs_out = theirs
            _wide(theirs)
        else:
            theirs, self._input = os.pipe()
            out_read, theirs_out = os.pipe()
        ours, control = socket.socketpair()
        child_fds = {0: theirs, 1: theirs_out, 2: theirs_out, 3: control.fileno()}
        self._keeper_pid = _spawn(
            [sys.executable, "-I", "-S", str(HERE / "keeper.py"), json.dumps(order)], child_fds
        )
        for fd in {theirs, theirs_out}:
            os.close(fd)
        control.close()
        self._control, self._out = ours, out_read
        self._control_buffer = b""
        os.set_blocking(self._out, False)
        os.set_blocking(self._input, False)
        ours.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._out, self._read)
        self._loop.add_reader(ours, self._listen)
        self._closed: set[int] = set()
        return self

    # --- Ce qu'il écrit, ce qu'on tape ------------------------------------------------------------

    def _read(self) -> None:
        try:
            data = os.read(self._out, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._out)
            return
        self._written += len(data)
        if len(self.raw) < MAX_OUTPUT:
            self.raw += data.decode("utf-8", "replace")
        elif self._written > 4 * MAX_OUTPUT and not self.flooded:
            self.flooded = True
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
        self._control_buffer += data
        *lines, self._control_buffer = self._control_buffer.split(b"\n")
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
            os.write(self._input, line.encode() + b"\n")
        except OSError:
            pass

    def send_signal(self, number: int) -> None:
        try:
            self._control.send(f"{number}\n".encode())
        except OSError:
            pass

    async def quiet(self, silence: float = 0.25, longest: float = 3) -> None:
        """Attend que l'écran ne bouge plus depuis `silence` secondes."""
        deadline, seen, since = time.monotonic() + longest * PATIENCE, -1, time.monotonic()
        while time.monotonic() < deadline and self.alive:
            if self._written != seen:
                seen, since = self._written, time.monotonic()
            if time.monotonic() - since > silence:
                return
            await asyncio.sleep(0.02)

    # --- Ce que le calque note --------------------------------------------------------------------

    def noted(self, kind: str) -> list[dict]:
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

    async def ask(self, question: dict, seconds: float = 5) -> dict | None:
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

        def answer() -> dict | None:
            return next((e for e in self.noted("answer") if e["id"] == question["id"]), None)

        return await until(answer, seconds)

    # --- La fin -----------------------------------------------------------------------------------

    async def stop(self, number: int = signal.SIGTERM, grace: float = 0.3) -> None:
        """Le signal, un court délai, puis la mort de toute la descendance."""
        if self.alive:
            self.send_signal(number)
            await until(lambda: not self.alive, grace)
        try:
            self._control.send(b"stop\n")
        except OSError:
            pass
        await until(lambda: self._gone, 20)
        self._refresh()
        self._loop.remove_reader(self._out)
        self._loop.remove_reader(self._control)
        self._control.close()
        for fd in {self._out, self._input}:
            os.close(fd)
        await asyncio.to_thread(os.waitpid, self._keeper_pid, 0)
        shutil.rmtree(self._box, ignore_errors=True)


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
