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
from typing import TypeVar

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


def changed(folder: Path, script: str, *changes: tuple[str, str]) -> Path:
    """Copie un script dans `folder`, où chaque passage en devient un autre.

    Lève ValueError si un passage n'y est plus, ou y est deux fois : la copie doit suivre le script.
    """
    source = (ROOT / script).read_text(encoding="utf-8")
    for before, after in changes:
        if source.count(before) != 1:
            raise ValueError(f"{script} ne contient pas une fois :\n{before}")
        source = source.replace(before, after)
    copy = folder / script
    copy.write_text(source, encoding="utf-8")
    return copy


class Process:
    """Un programme en cours : ce qu'il écrit, ce qu'on lui envoie, comment il finit.

    `lines` grandit à mesure qu'il écrit (sortie et erreurs mêlées, comme à l'écran).
    """

    def __init__(self, *command: str | Path, cwd: Path = ROOT, stdin=subprocess.PIPE, **env: str):
        self.command = [str(word) for word in command]
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            self.command,
            cwd=cwd,
            env=clean_environment(**env),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout:
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
            return next((m for line in list(self.lines) if (m := re.search(pattern, line))), None)

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
    """Un serveur Python du TP sur un port libre ; `url` est celle qu'il annonce."""

    def __init__(self, script: str, *options: str, address: str = "127.0.0.1", port=0, **env: str):
        command = (sys.executable, ROOT / script, "-a", address, "-p", str(port), *options)
        super().__init__(*command, **env)
        try:
            self.url = self.wait_line(r"ws://\S+", timeout=20)[0]
        except BaseException:
            self.kill()
            raise
        self.port = int(self.url.rsplit(":", 1)[1])


def missing(program: str) -> str | None:
    """Dit ce qui manque (et comment l'installer) si `program` n'est pas là, sinon None."""
    if shutil.which(program):
        return None
    return f"{program} n'est pas installé : `sudo apt install {program}` (ou dnf) active ce test"
