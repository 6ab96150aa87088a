"""Le banc de mesure : ses variantes suivent nos scripts, son générateur voit une faute."""

import asyncio
import json
import os
import shutil
import subprocess
from dataclasses import replace
from operator import itemgetter
from pathlib import Path

import pytest
from websockets.asyncio.server import serve

from bench import report, systems
from bench.goals import Goal, judge
from bench.measures import Measures

BENCH = Path(systems.BENCH)
CLIENTS, AUTHORS, MESSAGES = 5, 2, 40
LAST = f"Hello|p{CLIENTS - 1}"  # le dernier client, qui ne dit rien
MOST_LINES = 1500


def test_bench_is_small():
    """Le banc se lit d'une traite : son code, son générateur et les concurrents."""
    files = [path for kind in ("*.py", "*.c", "*.js") for path in BENCH.glob(kind)]
    files += [path for kind in ("*.py", "*.js") for path in (BENCH / "peers").glob(kind)]
    assert sum(len(path.read_text("utf-8").splitlines()) for path in files) <= MOST_LINES


CHANGED = [system for system in systems.VARIANTS if system.changes]


@pytest.mark.parametrize("variant", CHANGED, ids=lambda variant: variant.name)
def test_variant_follows_its_script(variant, tmp_path, monkeypatch):
    """Chaque variante se fait encore à partir de son script, et se compile."""
    monkeypatch.setattr(systems, "DATA", tmp_path)
    path = variant.folder() / variant.file
    compile(path.read_text(encoding="utf-8"), path, "exec")
    assert path.read_text("utf-8") != (systems.ROOT / variant.file).read_text("utf-8")


def test_outdated_variant_is_said():
    """Un passage qui n'est plus dans le script est dit, pas passé sous silence."""
    stale = replace(CHANGED[0], changes=(("ce texte n'y est pas", ""),))
    with pytest.raises(systems.Failed, match="n'a plus « ce texte n'y est pas »"):
        stale.folder()


LOST, DOUBLED, ECHOED = 7, 11, 13  # les numéros des messages que la salle fautive maltraite


async def faulty_room(websocket):
    """Une salle qui perd un message, en double un autre, et en rend un à son auteur."""
    await websocket.recv()
    async for message in websocket:
        number = int(message[17:25])
        for peer in websocket.server.connections:
            copies = {LOST: 0, DOUBLED: 2}.get(number, 1)
            if peer is websocket:
                copies = int(number == ECHOED)
            for _ in range(copies):
                await peer.send(f"p a dit : {message}")


async def sound_room(websocket):
    """Une salle sans faute."""
    await websocket.recv()
    async for message in websocket:
        for peer in websocket.server.connections - {websocket}:
            await peer.send(f"p a dit : {message}")


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """Le générateur, compilé sans un avertissement."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("pas de compilateur C : `sudo apt install gcc` (ou dnf) active ce test")
    program = tmp_path_factory.mktemp("bench") / "load"
    strict = ["-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *strict, "-o", program, BENCH / "load.c"], check=True)
    return program


async def measured(generator, handler, dialect="text", compression=None):
    """Rend ce que le générateur dit d'une salle tenue par `handler`."""
    async with serve(handler, "127.0.0.1", 0, compression=compression) as server:
        port = server.sockets[0].getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *map(str, [generator, dialect, CLIENTS, port]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(30 * float(os.getenv("TESTS_PATIENCE", "1"))):
                assert json.loads(await process.stdout.readline()) == {"ready": CLIENTS}
                process.stdin.write(f"{AUTHORS} {MESSAGES} 200\n".encode())
                return json.loads(await process.stdout.readline())
        finally:
            process.kill()
            await process.wait()


async def test_generator_finds_no_fault_in_a_sound_room(generator):
    """D'une salle sans faute, le générateur dit que tout est arrivé une fois, et quand."""
    result = await measured(generator, sound_room)
    assert result["lines"] == result["frames"] == MESSAGES * (CLIENTS - 1)
    assert (result["lost"], result["duplicates"], result["echoes"], result["closed"]) == (0,) * 4
    assert result["same_order"] == 1
    assert 0 < result["p50"] <= result["p99"] <= result["p999"] < 5000
    assert result["seconds"] >= (MESSAGES - 1) / 200


async def test_generator_counts_compressed_frames(generator):
    """Avec la compression, que le générateur ne lit pas, une trame vaut une ligne."""
    result = await measured(generator, sound_room, "deflate", compression="deflate")
    assert result["lines"] == result["frames"] == MESSAGES * (CLIENTS - 1)
    assert (result["p50"], result["same_order"]) == (0, -1)


async def test_generator_speaks_socketio(generator):
    """À un serveur Socket.IO, le générateur se présente et parle par des événements."""

    async def chat(websocket):
        assert websocket.request.path == "/socket.io/?EIO=4&transport=websocket"
        assert await websocket.recv() == "40"
        event, pseudo = json.loads((await websocket.recv()).removeprefix("42"))
        assert event == "hello" and pseudo.startswith("p")
        async for message in websocket:
            event, text = json.loads(message.removeprefix("42"))
            for peer in websocket.server.connections - {websocket} if event == "say" else ():
                await peer.send("42" + json.dumps(["said", f"{pseudo} a dit : {text}"]))

    result = await measured(generator, chat, "socketio")
    assert result["lines"] == MESSAGES * (CLIENTS - 1)
    assert (result["lost"], result["duplicates"], result["echoes"], result["closed"]) == (0,) * 4


async def test_generator_counts_every_fault(generator):
    """Une ligne perdue, doublée ou rendue à son auteur est comptée, sans cacher les autres."""
    result = await measured(generator, faulty_room)
    assert result["lost"] == CLIENTS - 1
    assert result["duplicates"] == CLIENTS - 1
    assert result["echoes"] == 1
    assert result["lines"] == (MESSAGES - 1) * (CLIENTS - 1)


async def test_generator_sees_a_different_order(generator):
    """Deux clients qui reçoivent les mêmes lignes dans un autre ordre : le générateur le dit."""
    late = []

    async def chat(websocket):
        websocket.hello = await websocket.recv()
        async for message in websocket:
            for peer in websocket.server.connections - {websocket}:
                if int(message[17:25]) == 20 and peer.hello == LAST:
                    late.append(message)
                    continue
                await peer.send(f"p a dit : {message}")
                if peer.hello == LAST and late:
                    await peer.send(f"p a dit : {late.pop()}")

    result = await measured(generator, chat)
    assert result["lost"] == 0
    assert result["same_order"] == 0


async def test_generator_reports_a_closed_connection(generator):
    """Une connexion que le serveur coupe est comptée, et ses lignes sont perdues."""

    given = []  # ce que le dernier client a reçu, dans l'ordre où ses deux auteurs sont lus

    async def chat(websocket):
        websocket.hello = await websocket.recv()
        async for message in websocket:
            for peer in websocket.server.connections - {websocket}:
                if peer.hello == LAST and len(given) == 20:
                    await peer.close(1013)
                    continue
                if peer.hello == LAST:
                    given.append(message)
                await peer.send(f"p a dit : {message}")

    result = await measured(generator, chat)
    assert result["closed"] == 1
    assert result["lost"] == MESSAGES - 20


def test_goals_are_judged_in_both_senses():
    """Un objectif est tenu du bon côté de sa borne ; sans mesure, il n'est pas jugé."""
    m = Measures([{"system": "a", "load": "x", "clients": 500, "servers": 1, "p50": 3.0}])
    values = [lambda m, name=name: m.median(itemgetter("p50"), name, "x") for name in "ab"]
    goals = [
        Goal("au plus 3", values[0], 3),
        Goal("au plus 2", values[0], 2),
        Goal("au moins 3", values[0], 3, at_least=True),
        Goal("au moins 4", values[0], 4, at_least=True),
        Goal("jamais mesuré", values[1], 4),
    ]
    verdicts = {goal.label: held for goal, _, held in judge(m, goals)}
    assert verdicts == {
        "au plus 3": True,
        "au plus 2": False,
        "au moins 3": True,
        "au moins 4": False,
    }


def test_results_page_and_charts_are_the_published_figures(tmp_path):
    """results.md et le graphique viennent des mesures publiées, results.csv."""
    report.write(Measures.read(BENCH / "results.csv"), tmp_path, tmp_path)
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    kept = [BENCH / "results.md", *(systems.ROOT / "img").glob("bench-*.svg")]
    assert {path.name: path.read_text(encoding="utf-8") for path in kept} == made
