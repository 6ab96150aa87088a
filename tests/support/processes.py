"""De vrais processus, lus ligne à ligne, avec une échéance à chaque attente."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
# Une machine très chargée a besoin de plus de temps : ce facteur multiplie toutes les échéances.
PATIENCE = float(os.environ.get("TESTS_PATIENCE", "1"))
# Ce que l'environnement de celui qui teste ne doit pas changer dans les scripts testés.
SETTINGS = ("WS_HOST", "WS_PORT", "REDIS_URL", "MONGO_URL", "ORIGINS", "SESSION_TTL")
COLORS = ("NO_COLOR", "FORCE_COLOR")
MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # lancé par `make test`, un make s'annonce autrement
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[78]")


def wait_for(condition: Callable[[], T], what: str | Callable[[], str], timeout: float = 10) -> T:
    """Rend la première valeur vraie de `condition()`.

    Lève AssertionError avec `what` (une phrase, ou une fonction qui la donne) après `timeout`
    secondes.
    """
    deadline = time.monotonic() + timeout * PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"après {timeout:g} s : {what() if callable(what) else what}")
        time.sleep(0.01)
    return value


def clean_environment(**changes: str) -> dict[str, str]:
    """L'environnement de ce processus sans nos réglages ni mandataire, plus `changes`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in SETTINGS + COLORS + MAKE and not name.lower().endswith("_proxy")
    }
    return kept | {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "error::DeprecationWarning"} | changes


def changed(folder: Path, program: str | Path, *changes: tuple[str, str]) -> Path:
    """Copie un script ou un paquet dans `folder`, où chaque passage en devient un autre.

    Lève ValueError si un passage n'y est plus, ou y est deux fois : la copie suit l'original.
    """
    original = ROOT / program
    copy = folder / original.name
    if original.is_dir():
        shutil.copytree(original, copy, ignore=shutil.ignore_patterns("__pycache__"))
        files = [file for kind in ("*.py", "*.lua") for file in copy.rglob(kind)]
    else:
        shutil.copy(original, copy)
        files = [copy]
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    for before, after in changes:
        found = [file for file, text in texts.items() for _ in range(text.count(before))]
        if len(found) != 1:
            raise ValueError(f"{program} contient {len(found)} fois, au lieu d'une :\n{before}")
        texts[found[0]] = texts[found[0]].replace(before, after)
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8")
    return copy


def command_of(program: str | Path) -> tuple[list[str | Path], Path]:
    """De quoi lancer un script (`ws_i_3_server.py`) ou un paquet (`chatroom`), et d'où."""
    path = ROOT / program
    if path.suffix == ".py":
        return [sys.executable, path], ROOT
    return [sys.executable, "-m", path.name], path.parent


def both_in(screens: Callable[[], str]) -> None:
    """Attend que deux clients soient dans la salle : le premier entré voit arriver l'autre, et rien
    ne dit d'avance lequel c'est. `screens` rend ce que montrent les deux."""
    wait_for(lambda: "a rejoint la chatroom" in screens(), "personne ne voit arriver personne")


class Process:
    """Un programme en cours : ce qu'il écrit, ce qu'on lui envoie, comment il finit.

    `lines` grandit à mesure qu'il écrit (sortie et erreurs mêlées, comme à l'écran). À la fin d'un
    `with`, il est tué s'il tourne encore.
    """

    def __init__(
        self,
        *command: str | Path,
        cwd: Path = ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **env: str,
    ):
        self.command = [str(word) for word in command]
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            self.command,
            cwd=cwd,
            env=clean_environment(**env),
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.kill()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self.lines.append(ANSI.sub("", line.rstrip("\n")))

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def write(self, line: str) -> None:
        """Tape une ligne sur l'entrée du programme."""
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def close_input(self) -> None:
        self._process.stdin.close()

    def wait_line(self, pattern: str, timeout: float = 10) -> re.Match[str]:
        """Attend une ligne où l'expression `pattern` se trouve, et rend la correspondance."""

        def search() -> re.Match[str] | None:
            over = not self._reader.is_alive()
            for line in list(self.lines):
                if found := re.search(pattern, line):
                    return found
            assert not over, f"fini sans ligne « {pattern} » :\n{self.output}"

        return wait_for(
            search, lambda: f"pas de ligne « {pattern} » dans :\n{self.output}", timeout
        )

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, timeout: float = 10) -> int:
        """Attend la fin du programme et rend son code de sortie."""
        code = self._process.wait(timeout * PATIENCE)
        self._reader.join(timeout * PATIENCE)
        return code

    def stop(self, number: int = signal.SIGTERM, timeout: float = 10) -> int:
        """Envoie un signal, attend la fin, rend le code de sortie."""
        if self.alive:
            self.send_signal(number)
        try:
            return self.wait(timeout)
        finally:
            self.kill()

    def kill(self) -> None:
        """Tue le programme et tout son groupe, sans condition."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


class Server(Process):
    """Un serveur du TP sur un port libre ; `url` est celle qu'il annonce.

    `program` : un script, le paquet `chatroom`, ou le chemin d'une copie de l'un ou de l'autre.
    """

    def __init__(
        self, program: str | Path, *options: str, address: str = "127.0.0.1", port=0, **env: str
    ):
        command, folder = command_of(program)
        super().__init__(*command, "-a", address, "-p", str(port), *options, cwd=folder, **env)
        try:
            self.url = self.wait_line(r"ws://\S+", timeout=20)[0]
        except BaseException:
            self.kill()
            raise
        self.port = int(self.url.rsplit(":", 1)[1])


def refusal(program: str | Path, *options: str, code: int = 1, **env: str) -> str:
    """Lance un serveur qui ne peut pas marcher, et rend la phrase par laquelle il le dit.

    Exige qu'il s'arrête de lui-même en 5 s avec ce code, sans trace d'erreur ; 2 est celui
    d'`argparse`, qui met son mode d'emploi avant la phrase.
    """
    command, folder = command_of(program)
    started = time.monotonic()
    with Process(*command, "-p", "0", *options, cwd=folder, **env) as process:
        assert process.wait(20) == code, process.output
    assert time.monotonic() - started < 5 * PATIENCE + 1, process.output  # une pour Python lui-même
    assert "Traceback" not in process.output and "ws://" not in process.output, process.output
    assert code == 2 or len(process.lines) == 1, process.output
    return process.lines[-1]


def missing(program: str) -> str | None:
    """Dit ce qui manque (et comment l'installer) si `program` n'est pas là, sinon None."""
    if shutil.which(program):
        return None
    return f"{program} n'est pas installé : `sudo apt install {program}` (ou dnf) active ce test"
