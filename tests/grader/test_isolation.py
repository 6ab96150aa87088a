"""Un rendu hostile perd ses points et rien d'autre : ni obéi, ni survivant, ni rien d'écrit."""

import asyncio
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from grader.clock import patience
from grader.finding.handin import HandIn
from grader.judging.grading import Grading
from grader.running.launch import Launcher, Ports
from grader.running.program import Program
from grader.running.recipes import Recipe
from grader.table import Table
from grader.verdict import Came, State

# Ce que pytest ou Python exécuteraient s'ils le rencontraient, et des noms qui feraient de l'ombre.
OBEYED = (
    "conftest.py",
    "test_piege.py",
    "piege_test.py",
    "sitecustomize.py",
    "usercustomize.py",
    "tp7_facts.py",
    "json.py",
    "socket.py",
    "databases.py",
    "grader/__init__.py",
    "support/__init__.py",
    "tests/conftest.py",
    "tests/test_rendu.py",
)
SETTINGS = {
    "pytest.ini": "[pytest]\naddopts = -p piege\npythonpath = .\n",
    "tox.ini": "[pytest]\naddopts = -p piege\n",
    "setup.cfg": "[tool:pytest]\naddopts = -p piege\n",
    "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "-p piege"\n',
    "piege.pth": "import os; open(os.environ['TRACE'], 'a').write('pth')\n",
    "piege.py": "import os; open(os.environ['TRACE'], 'a').write('piege')\n",
}
LEAVE_A_TRACE = """import os
if "TRACE" in os.environ:
    open(os.environ["TRACE"], "a").write("{name}")
"""
SERVER = """
import asyncio
import websockets

async def handler(ws):
    async for m in ws:
        await ws.send(f'Hello client ! Received "{m}"')

async def main():
    async with websockets.serve(handler, "0.0.0.0", 8888):
        await asyncio.Future()

asyncio.run(main())
"""


def test_nothing_of_a_hand_in_is_obeyed(grade, tmp_path: Path) -> None:
    """Rien de ce qu'un rendu apporte n'est exécuté par le processus qui note."""
    rendu, trace = tmp_path / "classe" / "rendu", tmp_path / "trace"
    for name in OBEYED:
        path = rendu / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # La trace n'est écrite que hors du bac à sable : là où TRACE existe.
        path.write_text(LEAVE_A_TRACE.format(name=name))
    for name, text in SETTINGS.items():
        (rendu / name).write_text(text)
        (rendu.parent / name).write_text(text)
    (rendu / "ws_i_1_server.py").touch()
    (rendu.parent / "conftest.py").write_text((rendu / "conftest.py").read_text())
    done = grade(f"--rendu={rendu}", f"--rendus={rendu.parent}", TRACE=str(trace))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 / 20" in done.stdout
    assert not trace.exists(), trace.read_text()


HOSTILE = {
    "tourne sans fin": "while True: pass",
    "inonde sa sortie": "import sys\nwhile True: sys.stdout.write('x' * 100000)",
    "ignore les signaux": """
import signal, time
for n in range(1, 32):
    try: signal.signal(n, signal.SIG_IGN)
    except OSError: pass
while True: time.sleep(1)
""",
    "se dédouble deux fois": """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", MARK], {})
    os._exit(0)
time.sleep(600)
""",
    "se multiplie": """
import os, time
begin = time.monotonic()
while time.monotonic() - begin < 4:  # sans garde, il y en aurait dix mille
    os.fork()
    time.sleep(0.3)
time.sleep(600)
""",
    "garde son port pour lui": """
import socket, time
s = socket.create_server(("0.0.0.0", 8888)); time.sleep(600)
""",
    "efface son dossier et le reste": """
import os, shutil, time
for place in (".", "..", os.path.expanduser("~"), "/tmp"):
    shutil.rmtree(place, ignore_errors=True)
time.sleep(600)
""",
    "écrit dehors": """
import os, time
for place in (OUTSIDE, "/tmp/" + MARK, "/var/tmp/" + MARK, "/dev/shm/" + MARK):
    try: open(place, "w").write("x")
    except OSError: pass
time.sleep(600)
""",
    "tue celui qui le note": """
import os, signal, time
for pid in (os.getppid(), TEACHER):
    try: os.kill(pid, signal.SIGKILL)
    except OSError: pass
time.sleep(600)
""",
    "mange la mémoire": "x = []\nwhile True: x.append(bytearray(10**8))",
    "remplit le disque": "f = open('gros', 'wb')\nwhile True: f.write(b'x' * 10**6)",
}
SHORT = {"se dédouble deux fois", "écrit dehors"}


def survivors(mark: str) -> list[str]:
    """Les processus encore là qui portent cette marque, dans leur commande ou leur dossier."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
            folder = os.readlink(entry / "cwd")
        except OSError:
            continue
        if mark in command or mark in folder:
            found.append(command)
    return found


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in SHORT else [pytest.mark.meta], id=name)
        for name in HOSTILE
    ],
)
def test_hostile(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Il échoue dans son temps, et ne laisse ni processus ni fichier ; ses voisins sont intacts."""
    mark, rendu, scratch = f"tp7-{uuid.uuid4().hex}", tmp_path / "rendu", tmp_path / "brouillon"
    outside = tmp_path / "dehors"
    rendu.mkdir()
    scratch.mkdir()
    constants = f"MARK, OUTSIDE, TEACHER = {mark!r}, {str(outside)!r}, {os.getpid()}\n"
    (rendu / "ws_i_3_server.py").write_text(constants + HOSTILE[name])
    (rendu / "ws_i_1_server.py").write_text(SERVER)
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.setattr("grader.running.launch.START", 3)
    grading, table = Grading(rendu, Table()), Table()
    begin = time.monotonic()
    states = {
        check.id: grading.verdict(check).state
        for check in table.checks.values()
        if check.unit in ("i1.server", "i3.server")
    }
    assert time.monotonic() - begin < 60 * patience()
    assert states.pop("i3.server.starts") == "failed"
    assert all(s == ("passed" if c[:2] == "i1" else "not_reached") for c, s in states.items())
    assert not survivors(mark) and not survivors(str(scratch))
    assert not any(scratch.iterdir()), "une copie est restée"
    places = [outside, *(Path(place) / mark for place in ("/tmp", "/var/tmp", "/dev/shm"))]
    assert not any(place.exists() for place in places)


def test_secrets_stay_with_the_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """L'environnement de celui qui note n'arrive pas au rendu."""
    monkeypatch.setenv("MOT_DE_PASSE", "hunter2")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    (tmp_path / "ws_i_1_server.py").write_text("import os\nprint(dict(os.environ))\n")
    table = Table()
    verdict = Grading(tmp_path, table).verdict(table.checks["i1.server.starts"])
    output = verdict.params["output"]
    assert verdict.state == "failed" and "PYTHONUTF8" in output
    assert "hunter2" not in output and "PROXY" not in output.upper()


def test_nothing_named_by_a_hand_in_is_imported(tmp_path: Path) -> None:
    """Un module de la bibliothèque agit parfois dès l'import : le correcteur n'en importe aucun."""
    (tmp_path / "ws_i_1_server.py").write_text("from this import s\nfrom itertools import absent\n")
    table = Table()
    verdict = Grading(tmp_path, table).verdict(table.checks["i1.server.starts"])
    assert (verdict.state, verdict.came) == (State.COULD_NOT_RUN, Came.NEWER_PYTHON)
    assert "this" not in sys.modules


def test_all_the_parts_together_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Un rendu qui prend tout son temps d'un coup n'en a plus pour la suite, et n'est pas jugé."""
    monkeypatch.setattr("grader.judging.grading.SECONDS", 6)
    for name in ("ws_i_1_server.py", "ws_i_1_client.py"):
        (tmp_path / name).write_text("import time\ntime.sleep(600)\n")
    table = Table()
    grading = Grading(tmp_path, table)
    begin = time.monotonic()
    first, then = (
        grading.verdict(table.checks[check]) for check in ("i1.server.starts", "i1.client.connects")
    )
    assert (first.state, first.came) == (State.COULD_NOT_RUN, Came.TOO_LONG)
    assert (then.state, then.came) == (State.COULD_NOT_RUN, Came.ALL_TOO_LONG)
    assert time.monotonic() - begin < 30 * patience()


def test_the_ways_of_launching_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cent commandes dans un README ne font pas cent lancements ; et tous, une fois pour toutes."""
    (tmp_path / "ws_i_1_server.py").write_text("import sys\nsys.exit('usage : argv')\n")
    commands = [f"    python ws_i_1_server.py --essai {number}\n" for number in range(100)]
    (tmp_path / "README.md").write_text("".join(commands))
    launches: list[Recipe] = []
    run = Launcher._run

    async def counted(self: Launcher, role: str, recipe: Recipe, *rest: Any) -> Program:
        launches.append(recipe)
        return await run(self, role, recipe, *rest)

    monkeypatch.setattr(Launcher, "_run", counted)

    async def twice() -> None:
        launcher = Launcher(HandIn(tmp_path))
        for most in (20, 1):
            launches.clear()
            await launcher.server("i1.server", Ports())
            assert 0 < len(launches) <= most
        await launcher.end_all()

    asyncio.run(twice())
