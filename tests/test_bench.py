"""Le banc de mesure : ses variantes suivent nos scripts, ses générateurs voient une faute."""

import asyncio
import json
import shutil
import subprocess
import sys

import pytest
from support.processes import ROOT, clean_environment
from websockets.asyncio.server import serve

sys.path.insert(0, str(ROOT / "bench"))
import pages  # noqa: E402
import report  # noqa: E402
import variants  # noqa: E402

CLIENTS, AUTHORS, MESSAGES = 5, 2, 40
LAST = f"Hello|p{CLIENTS - 1}"  # le dernier client, qui ne dit rien


@pytest.mark.parametrize("variant", variants.VARIANTS, ids=lambda variant: variant.name)
def test_variant_follows_its_script(variant, tmp_path, monkeypatch):
    """Chaque variante se fait encore à partir de son script, et se compile."""
    monkeypatch.setattr(variants, "FOLDER", tmp_path)
    path = variant.build()
    compile(path.read_text(encoding="utf-8"), path, "exec")
    assert path.read_text(encoding="utf-8") != (ROOT / variant.script).read_text(encoding="utf-8")


def test_outdated_variant_is_said():
    """Un passage qui n'est plus dans le script est dit, pas passé sous silence."""
    stale = variants.Variant("vieille", "", variants.FIRST, (("ce texte n'y est pas", ""),))
    with pytest.raises(variants.Outdated, match="n'a plus « ce texte n'y est pas »"):
        stale.build()


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


@pytest.fixture(params=["load.c", "load.py"])
def generator(request, tmp_path):
    """La commande de chacun des deux générateurs."""
    source = ROOT / "bench" / request.param
    if request.param.endswith(".py"):
        return [sys.executable, source]
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("pas de compilateur C : `sudo apt install gcc` (ou dnf) active ce test")
    subprocess.run(
        [compiler, "-O2", "-Wall", "-Werror", "-o", tmp_path / "load", source], check=True
    )
    return [tmp_path / "load"]


async def measured(generator, handler, rate):
    """Rend ce qu'un générateur dit d'une salle tenue par `handler`."""
    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *map(str, [*generator, "chat", CLIENTS, port]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=clean_environment(),
        )
        try:
            async with asyncio.timeout(30):
                assert json.loads(await process.stdout.readline()) == {"ready": CLIENTS}
                process.stdin.write(f"{AUTHORS} {MESSAGES} {rate}\n".encode())
                return json.loads(await process.stdout.readline())
        finally:
            process.kill()
            await process.wait()


async def sound_room(websocket):
    """Une salle sans faute."""
    await websocket.recv()
    async for message in websocket:
        for peer in websocket.server.connections - {websocket}:
            await peer.send(f"p a dit : {message}")


async def test_generator_finds_no_fault_in_a_sound_room(generator):
    """D'une salle sans faute, le générateur dit que tout est arrivé une fois, et quand."""
    result = await measured(generator, sound_room, rate=200)
    assert result["lines"] == result["frames"] == MESSAGES * (CLIENTS - 1)
    assert (result["lost"], result["duplicates"], result["echoes"], result["closed"]) == (0,) * 4
    assert result["same_order"] == 1
    assert 0 < result["p50"] <= result["p99"] <= result["p999"] < 5000
    assert result["seconds"] >= (MESSAGES - 1) / 200


async def test_generator_counts_every_fault(generator):
    """Une ligne perdue, doublée ou rendue à son auteur est comptée, sans cacher les autres."""
    result = await measured(generator, faulty_room, rate=200)
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

    result = await measured(generator, chat, rate=200)
    assert result["lost"] == 0
    assert result["same_order"] == 0


async def test_generator_reports_a_closed_connection(generator):
    """Une connexion que le serveur coupe est comptée, avec son code, et ses lignes sont perdues."""

    async def chat(websocket):
        websocket.hello = await websocket.recv()
        async for message in websocket:
            for peer in websocket.server.connections - {websocket}:
                if int(message[17:25]) == 20 and peer.hello == LAST:
                    await peer.close(1013)
                else:
                    await peer.send(f"p a dit : {message}")

    result = await measured(generator, chat, rate=200)
    assert (result["closed"], result["close_code"]) == (1, 1013)
    assert result["lost"] == MESSAGES - 20


@pytest.mark.parametrize("language", pages.PAGES)
def test_readme_shows_the_published_figures(language: str):
    """Le tableau du README et le chiffre de chaque étape sont ceux des mesures publiées."""
    results = json.loads((ROOT / "bench/results.json").read_text(encoding="utf-8"))
    page = pages.PAGES[language].read_text(encoding="utf-8")
    for name, shown in pages.sections(results, language).items():
        assert f"{pages.begin(name)}\n{shown}\n{pages.END}" in page, name


def test_results_page_and_charts_are_the_published_figures(tmp_path):
    """results.md et les graphiques viennent des mesures publiées."""
    results = json.loads((ROOT / "bench/results.json").read_text(encoding="utf-8"))
    report.write(results, tmp_path, tmp_path)
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    kept = [ROOT / "bench/results.md", *(ROOT / "img").glob("bench-*.svg")]
    assert {path.name: path.read_text(encoding="utf-8") for path in kept} == made
