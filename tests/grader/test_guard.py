"""Le choix de la garde, et ce qui se lit d'un rendu : jamais cru sur parole."""

import asyncio
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import bson
import pytest

from grader.clock import alarm, patience
from grader.running import isolation, network
from grader.running.bubblewrap import around
from grader.running.enclosure import enclosed
from grader.running.guard import spawn
from grader.running.journal import read_event
from grader.running.kernel import listening
from grader.running.landlock import KEEPER
from grader.running.mongo_watch import fresh_mongo
from grader.running.network import dial
from grader.running.redis_watch import WORD, unescape
from grader.verdict import Remark

# Ce que dit bubblewrap sur Ubuntu 24.04, et ce que fait un programme qui n'en est pas un.
REFUSES = "#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n"
SLEEPS = "#!/bin/sh\nexec sleep 60\n"
SERVER = """
import asyncio, websockets
async def handler(ws):
    async for m in ws: await ws.send(f'Hello client ! Received "{m}"')
async def main():
    async with websockets.serve(handler, "0.0.0.0", 8888): await asyncio.Future()
asyncio.run(main())
"""


@pytest.fixture
def broken(tmp_path: Path) -> str:
    """Un PATH où bubblewrap ne marche pas."""
    program = tmp_path / "bin" / "bwrap"
    program.parent.mkdir()
    program.write_text(REFUSES)
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def test_without_bubblewrap(grade, broken: str, tmp_path: Path) -> None:
    """On note quand même ; la première ligne dit la garde, ce qu'elle ne tient pas, le remède."""
    (tmp_path / "rendu").mkdir()
    (tmp_path / "rendu" / "ws_i_1_server.py").write_text(SERVER)
    report = tmp_path / "notes"
    options = (f"--rendu={tmp_path / 'rendu'}", f"--rapport={report}")
    done = grade(*options, PATH=broken, TP7_ISOLATION="")
    assert done.returncode == 0 and "Note : 3 / 20" in done.stdout, done.stdout + done.stderr
    said, why = done.stdout.splitlines()[:2]
    assert "plus faible" in said and "lire les fichiers" in said
    assert "Permission denied" in why and "apparmor" in why
    page = (report / "rendu.md").read_text("utf-8").splitlines()
    assert page[2].startswith("*Isolation plus faible")
    assert "plus faible" in (report / "classe.html").read_text("utf-8")
    (student,) = json.loads((report / "resultats.json").read_text("utf-8"))["students"]
    assert student["isolation"] == "landlock"


def test_demanded(grade, broken: str, tmp_path: Path) -> None:
    """Exigée, une garde qui ne marche pas empêche de noter."""
    done = grade(f"--rendu={tmp_path}", PATH=broken, TP7_ISOLATION="bubblewrap")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "Permission denied" in done.stderr


def test_a_probe_never_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un bubblewrap qui ne répond pas est un bubblewrap qui ne marche pas."""
    program = tmp_path / "bwrap"
    program.write_text(SLEEPS)
    program.chmod(0o755)
    monkeypatch.setattr(network, "SECONDS", 0.2)
    assert isolation.probe(str(program))


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "listen"}',
        '{"event": "listen", "host": "127.0.0.1", "port": "1"}',
        '{"event": "listen", "host": "127.0.0.1", "port": true}',
        '{"event": "connect", "kind": ["server"], "host": "a", "port": 1}',
        '{"event": ["listen"]}',
        '{"event": "remark", "key": {"a": 1}}',
        '{"event": "remark", "key": "obsolete_path", "line": [1]}',
        '{"event": "file", "path": "\\ud800"}',
        '{"event": "answer", "id": 1, "registries": [{"path": "a", "kind": "autre", "size": 1}]}',
        '{"event": "answer", "id": 1, "registries": [3]}',
        '{"event": "sync_redis", "command": "SET", "loop": "oui"}',
        "[" * 20_000,
        "9" * 5000,
        "null",
        "\x00",
    ],
)
def test_a_false_fact_does_not_exist(line: str) -> None:
    """Ce que le calque n'aurait pas écrit ainsi n'est pas un fait, et ne fait tomber personne."""
    assert read_event(line.encode()) is None


def test_a_true_fact_is_read() -> None:
    line = b'{"event": "listen", "asked": ["", 8888], "host": "127.0.0.1", "port": 1}'
    assert read_event(line) == json.loads(line)


def test_a_program_at_home_shows_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Un Node posé dans ~/bin ne donne pas à voir tout le dossier de qui note."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for place, seen in (("bin/node", "bin/node"), (".nvm/v20/bin/node", ".nvm/v20")):
        program = tmp_path / place
        program.parent.mkdir(parents=True)
        program.touch()
        assert around(str(program)) == tmp_path / seen
    assert around("sh").is_relative_to("/usr")


def test_listening_is_seen_not_believed() -> None:
    """Le port d'un autre n'est pas celui d'un programme qui le prétend."""
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); "
    code += "print(s.getsockname()[1], flush=True); input()"
    with (
        socket.create_server(("127.0.0.1", 0)) as ours,
        subprocess.Popen(
            ["sh", "-c", f'{sys.executable} -c "{code}"; true'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as shell,
    ):
        assert shell.stdout
        theirs = int(shell.stdout.readline())
        assert listening(shell.pid, {theirs, ours.getsockname()[1]}) == {theirs}
        shell.communicate("\n")


def test_two_orders_at_once() -> None:
    """Un signal et l'arrêt reçus d'un coup : le gardien obéit aux deux."""
    ours, theirs = socket.socketpair()
    terminal, slave = os.openpty()
    order = {
        "command": ["sleep", "60"], "folder": "/", "limits": {}, "writable": ["/tmp"],
        "ports": [], "environment": {"PATH": os.environ["PATH"]},
    }  # fmt: skip
    keeper = [sys.executable, "-I", "-S", str(KEEPER), json.dumps(order)]
    pid = spawn(keeper, {0: slave, 1: slave, 2: slave, 3: theirs.fileno()})
    theirs.close()
    os.close(slave)
    ours.settimeout(20 * patience())
    assert b"pid" in ours.recv(100)
    ours.send(f"{int(signal.SIGUSR1)}\nstop\n".encode())
    news = b""
    while data := ours.recv(100):
        news += data
    assert b"gone" in news and os.waitpid(pid, 0)[1] == 0
    ours.close()
    os.close(terminal)


def test_a_value_of_redis_is_read_whole() -> None:
    """Guillemets, espaces et barres d'une commande notée par MONITOR."""
    line = rb'"SET" "a \"b\" c" "fin\\" "\xc3\xa9\n"'
    assert [unescape(word) for word in WORD.findall(line)] == ["SET", 'a "b" c', "fin\\", "é\n"]


async def test_a_false_message_for_mongodb() -> None:
    """Deux gigaoctets annoncés, un document vide, un ordre d'arrêt : le relais raccroche."""
    empty = struct.pack("<iiii", 26, 1, 0, 2013) + b"\0" * 4 + b"\0" + struct.pack("<ib", 5, 0)
    end = bson.encode({"shutdown": 1, "$db": "admin"})
    stop = struct.pack("<iiii", 21 + len(end), 1, 0, 2013) + b"\0" * 5 + end
    huge = struct.pack("<iiii", 2**31 - 1, 1, 0, 2013)
    async with enclosed() as enclosure, fresh_mongo() as mongo:
        for message in (huge, struct.pack("<iiii", -5, 1, 0, 2013), empty, stop):
            link = await dial(enclosure.network, "127.0.0.1", mongo.port)
            reader, writer = await asyncio.open_connection(sock=link)
            writer.write(message)
            if message is not empty:
                assert not await asyncio.wait_for(reader.read(), 5 * patience())
            writer.close()
        assert not await asyncio.to_thread(mongo.contains, "rien")  # il répond encore
    assert enclosure.cuts == [(Remark.REFUSED_COMMAND, {"commands": "shutdown"})]


def test_an_alarm_stops_a_long_computation() -> None:
    """Une expression régulière qui n'en finit pas est interrompue."""
    with pytest.raises(TimeoutError), alarm(0.2):
        re.search("(a+)+b", "a" * 60)
