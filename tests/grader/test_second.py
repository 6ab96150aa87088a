"""Un échec qui ne se voit qu'une fois, parce que la machine a gêné, n'en est pas un."""

import shutil
from itertools import count
from pathlib import Path

import pytest

from grader.judging import second
from grader.judging.grading import Grading
from grader.judging.second import merged
from grader.running import launch
from grader.running.program import Program
from grader.table import Table
from grader.verdict import Came, State, Verdict, could_not_run, failed, passed

RENDUS = Path(__file__).resolve().parents[1] / "rendus"
# Ce que la machine fait subir au programme, là où il est gêné.
KILLED = "os.environ.get('GENE') and os.kill(os.getpid(), 9)"
FROZEN = "os.environ.get('GENE') and os.kill(os.getpid(), 19)"
WAITING = "os.environ.get('GENE') and globals().setdefault('attente', []).append(pseudo)"
I1, I3, II2 = (f"ws_{step}_server.py" for step in ("I_1", "I_3", "II_2"))
SEND = "await websocket.send(f\"Hello client ! Received '{msg}'.\")"
TOLD = 'await envoyer_a_tous(f"Annonce : {pseudo} a quitté la chatroom"'
GONE = 'await r.hset(cle, "connecte", "non")'
ARRIVED = 'await envoyer_a_tous(f"Annonce : {pseudo} a rejoint la chatroom", websocket)'


def grading(
    place: Path, patch: pytest.MonkeyPatch, script: str, number: int, old: str, new: str
) -> Grading:
    """La notation du rendu ordinaire, où ce script est gêné à ce lancement-là, et à lui seul."""
    folder = place / "rendu"
    shutil.copytree(RENDUS / "ordinaire", folder)
    text = (folder / script).read_text("utf-8")
    assert old in text
    (folder / script).write_text("import os\n" + text.replace(old, new), "utf-8")
    start, launched = Program.start, count(1)

    async def disturbed(self, ports, limits, **environment):
        if self.command[-1].endswith(script) and next(launched) == number:
            environment["GENE"] = "1"
        return await start(self, ports, limits, **environment)

    patch.setattr(Program, "start", disturbed)
    return Grading(folder, Table())


def test_what_passes_is_launched_once(monkeypatch) -> None:
    """Un serveur qui réussit tout n'est pas lancé une seconde fois."""
    one = Grading(RENDUS / "ordinaire", Table())
    launched: list[Program] = []
    start = Program.start
    monkeypatch.setattr(
        Program, "start", lambda p, *a, **o: launched.append(p) or start(p, *a, **o)
    )
    checks = [check for check in one.table.checks.values() if check.unit == "i1.server"]
    assert all(one.verdict(check).good for check in checks) and len(launched) == 1


@pytest.mark.parametrize("trouble", [KILLED, FROZEN], ids=["killed", "frozen"])
def test_a_server_disturbed_before_it_listens(trouble: str, tmp_path: Path, monkeypatch) -> None:
    """Tué ou figé avant d'écouter, un serveur est lancé de nouveau."""
    monkeypatch.setattr(launch, "START", 2)
    once = grading(
        tmp_path, monkeypatch, I1, 1, "import websockets", f"import websockets; {trouble}"
    )
    assert once.verdict(once.table.checks["i1.server.starts"]).good


@pytest.mark.parametrize(
    ("check", "script"), [("i1.server.starts", I1), ("i3.server.broadcast", I3)]
)
def test_a_slow_server(check: str, script: str, tmp_path: Path, monkeypatch) -> None:
    """Plus lent qu'on ne l'attend, mais il finit par écouter, et le second lancement s'arrête."""
    monkeypatch.setattr(launch, "START", 1)
    slow = "import websockets, time; time.sleep(2)"
    one = grading(tmp_path, monkeypatch, script, 0, "import websockets", slow)
    assert one.verdict(one.table.checks[check]).good


@pytest.mark.parametrize(
    ("check", "script", "number", "old", "new"),
    [
        ("i1.server.starts", I1, 1, "handler, HOST, PORT", "handler, HOST, PORT, process_request="
         f"lambda *_: {KILLED}"),
        ("i1.server.reply", I1, 1, SEND, f"{KILLED}; {SEND}"),
        ("i1.server.echo", I1, 1, SEND, f'await websocket.send("Hello"); {KILLED}; {SEND}'),
        ("i1.server.hello", I1, 1, SEND, f"{KILLED} or await websocket.send(msg); {SEND}"),
        ("i3.server.leave", I3, 2, TOLD, f"{KILLED}; {TOLD}"),
        pytest.param("ii2.server.async", II2, 1, GONE,
                     f"os.environ.get('GENE') and r.ping(); {GONE}", marks=pytest.mark.meta),
        pytest.param("ii2.server.noglobal", II2, 1, ARRIVED,
                     f"{WAITING}; {ARRIVED}", marks=pytest.mark.meta),
    ],
)  # fmt: skip
@pytest.mark.parametrize("looks", [1, second.LOOKS])
def test_a_failure_seen_once(
    looks: int,
    check: str,
    script: str,
    number: int,
    old: str,
    new: str,
    tmp_path: Path,
    monkeypatch,
) -> None:
    """Sans second regard, elle n'est pas essayée ; avec lui, elle est réussie."""
    monkeypatch.setattr(second, "LOOKS", looks)
    one = grading(tmp_path, monkeypatch, script, number, old, new)
    verdict = one.verdict(one.table.checks[check])
    assert verdict.good if looks > 1 else verdict.came == Came.SEEN_ONCE, verdict


GOOD, BAD, MUTE = passed(), failed(Came.NO_ANSWER), failed(Came.NO_LISTEN)
UNTRIED = could_not_run(Came.NO_FACTS)


@pytest.mark.parametrize(
    ("looks", "state"),
    [
        ([GOOD], State.PASSED),
        ([BAD, BAD], State.FAILED),
        ([BAD, GOOD], State.PASSED),
        ([BAD], State.COULD_NOT_RUN),
        ([BAD, None], State.COULD_NOT_RUN),
        ([BAD, None, BAD], State.FAILED),
        ([BAD, UNTRIED], State.COULD_NOT_RUN),
        ([UNTRIED, GOOD], State.PASSED),
        ([UNTRIED], State.COULD_NOT_RUN),
        ([MUTE], State.FAILED),
    ],
)
def test_what_is_believed(looks: list[Verdict | None], state: State) -> None:
    """Il faut deux échecs pour en dire un ; ce qui a marché une fois marche."""
    assert merged([{"x": one} if one else {} for one in looks])["x"].state == state
