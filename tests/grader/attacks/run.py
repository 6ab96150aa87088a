"""Note une attaque et dit, en JSON, ce qu'elle a obtenu : python tests/grader/attacks/run.py nom

Elle est notée seule, dans un processus à part, sous la garde de TP7_ISOLATION et sous le compte de
qui lance ceci. Les appâts (un secret, une socket, un terminal, un port, un fichier partagé) sont
posés ici, avec des noms à eux, et regardés ensuite ; une attaque ne touche à rien d'autre.
"""

import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import tomllib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT))

from grader.judging.grading import Grading  # noqa: E402
from grader.running import launch  # noqa: E402
from grader.running.isolation import isolation  # noqa: E402
from grader.table import Table  # noqa: E402
from grader.verdict import State  # noqa: E402

ATTACKS: dict[str, Any] = tomllib.loads((HERE / "attacks.toml").read_text("utf-8"))
SECRET = "le secret de l'enseignant"
TOKEN = "le jeton de l'enseignant"


class Bait:
    """Ce qu'une attaque peut prendre, et ce qu'elle en a pris."""

    def __init__(self, place: Path, stack: ExitStack) -> None:
        self.folder = place / "appats"
        self.folder.mkdir()
        self.secret = self.folder / "secret.txt"
        self.secret.write_text(SECRET)
        self.secret.chmod(0o644)
        self.before = self.secret.stat()
        classmate = self.folder / "camarade"
        classmate.mkdir()
        shutil.copy(HERE / "noms" / "ws_i_1_server.py", classmate)
        self.shared = Path(f"/dev/shm/{place.name}")
        self.shared.write_text("intact")
        stack.callback(self.shared.unlink, missing_ok=True)
        for fd in (pair := os.openpty()):
            stack.callback(os.close, fd)
        (self.folder / "pts").write_text(os.ttyname(pair[1]))
        tmux = stack.enter_context(socket.socket(socket.AF_UNIX))
        tmux.bind(str(self.folder / "tmux"))
        tmux.listen()
        self.visits = 0
        self._decoy = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port = self._decoy.getsockname()[1]
        self._watching = threading.Thread(target=self._watch)
        self._watching.start()

    def _watch(self) -> None:
        while True:
            try:
                self._decoy.accept()[0].close()
            except OSError:
                return
            self.visits += 1

    def taken(self) -> set[str]:
        self._decoy.shutdown(socket.SHUT_RDWR)
        self._watching.join()
        after = self.secret.stat()
        found = {
            "port": self.visits,
            "ecriture": self.secret.read_text() != SECRET,
            "partage": self.shared.read_text() != "intact",
            "droits": after.st_mode != self.before.st_mode,
            "date": after.st_mtime != self.before.st_mtime,
        }
        return {name for name, gained in found.items() if gained}

    def prepare(self, source: Path, target: Path) -> None:
        """Copie l'attaque en y écrivant où sont les appâts."""
        shutil.copytree(source, target)
        places = {"APPATS": self.folder, "PORT_APPAT": self.port, "PARTAGE": self.shared}
        for path in target.rglob("*.*"):
            text = path.read_text("utf-8")
            for name, value in places.items():
                text = text.replace(f"@{name}@", str(value))
            path.write_text(text, "utf-8")


def attack(name: str) -> dict[str, Any]:
    launch.START = 3
    table, aimed = Table(), ATTACKS[name]
    with tempfile.TemporaryDirectory(prefix="tp7-attaque-") as place, ExitStack() as stack:
        bait = Bait(Path(place), stack)
        bait.prepare(HERE / name, Path(place) / "rendu")
        copies = Path(place) / "copies"
        copies.mkdir()
        tempfile.tempdir = str(copies)
        grading = Grading(Path(place) / "rendu", table)
        verdicts = {check: grading.verdict(table.checks[check]) for check in aimed["checks"]}
        units = {table.checks[check].unit for check in verdicts}
        whole = [grading.verdict(c) for c in table.checks.values() if c.unit in units]
        taken = bait.taken() | {"reste" for _ in copies.iterdir()}
    text = repr(whole)
    for verdict in verdicts.values():
        for line in str(verdict.params.get("output", "")).splitlines():
            if line.startswith("OBTENU : "):
                taken.add(line.removeprefix("OBTENU : ").split()[0])
    taken |= {"jeton"} if TOKEN in text else set()
    taken |= {"import"} if "this" in sys.modules else set()
    right = aimed.get("state", State.FAILED)
    taken |= {f"{v.state} {check}" for check, v in verdicts.items() if v.state != right}
    remarks = {key for verdict in whole for key, _ in verdict.remarks}
    return {
        "way": isolation().way,
        "trouble": isolation().trouble,
        "taken": sorted(taken),
        "remarks": sorted(remarks),
        "verdicts": {check: repr(verdict) for check, verdict in verdicts.items()},
    }


if __name__ == "__main__":
    if "TP7_APPAT" not in os.environ:  # /proc ne montre que l'environnement du départ
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"TP7_APPAT": TOKEN})
    print(json.dumps(attack(sys.argv[1]), ensure_ascii=False, indent=1))
