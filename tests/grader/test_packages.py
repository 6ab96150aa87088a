"""Installer ce qui manque à un rendu : quoi, et rien qui s'exécute."""

import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from grader.finding.handin import HandIn
from grader.judging.grading import Grading
from grader.running import mirror, packages
from grader.running.packages import PYTHON, Store, Wanted, install, wanted_by
from grader.table import Table
from grader.verdict import Came

SERVER = """
import asyncio, {module}, websockets

async def handler(ws):
    async for message in ws:
        await ws.send({module}.SAY + message)

async def main():
    async with websockets.serve(handler, "0.0.0.0", 8888):
        await asyncio.Future()

asyncio.run(main())
"""


def wheel(place: Path, name: str, version: str, code: str) -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(place / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", code)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Un dépôt de paquets à nous : aucun test ne sort de la machine."""
    place = tmp_path / "registre"
    place.mkdir()
    wheel(place, "salutations", "1.2", "SAY = 'bonjour '")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place))
    return place


@pytest.fixture
def rendu(tmp_path: Path) -> Path:
    folder = tmp_path / "rendu"
    folder.mkdir()
    return folder


def wanted(folder: Path) -> Wanted:
    return wanted_by(HandIn(folder))


def test_what_requirements_ask_for(rendu: Path) -> None:
    """Des noms et des versions : ni option, ni adresse, ni dossier, ni ce qui est déjà là."""
    (rendu / "requirements.txt").write_text(
        "salutations==1.2  # mes mots\n-r autre.txt\n--index-url http://127.0.0.1/\n"
        "git+https://example.org/x.git\nmoi @ file:///tmp/x\n./local\n-e .\n"
        "websockets==10.3\nasyncio==3.4.3\naioredis\nvieux; python_version < '3'\n<<<\n"
    )
    (rendu / "pyproject.toml").write_text(
        '[project]\ndependencies = ["demain>=2", 3]\n'
        '[tool.poetry.dependencies]\npython = "^3.11"\npoesie = "^1"\n'
    )
    assert wanted(rendu).python == ("demain>=2", "poesie", "salutations==1.2")


@pytest.mark.parametrize("text", ["[[[", "project = 3", '[project]\ndependencies = "x"', "\0"])
def test_a_list_that_is_none(rendu: Path, text: str) -> None:
    (rendu / "pyproject.toml").write_text(text)
    (rendu / "package.json").write_text(text)
    assert wanted(rendu) == Wanted((), ())


def test_what_imports_show(rendu: Path) -> None:
    """Ce qui n'est ni de Python, ni d'ici, ni du rendu ; un module oublié n'est pas un paquet."""
    (rendu / "outils.py").touch()
    (rendu / "ws_i_1_server.py").write_text(
        "import asyncio, outils, salutations.mots, yaml, config, websockets, aiofiles, uvloop\n"
        "from . import voisin\nfrom pydantic_settings import BaseSettings\n"
    )
    assert wanted(rendu).python == ("pydantic_settings", "PyYAML", "salutations")


def test_what_node_asks_for(rendu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """package.json et les imports, sans ce que Node ou le rendu ont déjà, ni adresse ni dossier."""
    monkeypatch.setattr(packages.shutil, "which", lambda name: name)
    monkeypatch.setattr(packages, "_node_builtins", lambda: {"fs", "readline"})
    (rendu / "package.json").write_text(
        '{"dependencies": {"chalk": "^4.1", "ws": "^7", "loin": "git+https://x/y", '
        '"ici": "file:../x", "autre": "npm:chalk@4", "--option": "1", "la": "*"}}'
    )
    (rendu / "node_modules" / "la").mkdir(parents=True)
    (rendu / "node_modules" / "la" / "index.js").touch()
    (rendu / "ws_i_2_client.js").write_text(
        'import p from "prompt-sync";\nimport "@moi/outil/fin";\nconst fs = require("fs");\n'
        'require("node:net"); import("./voisin.js"); require("/abs"); import x from "https://a/b";\n'
    )
    assert wanted(rendu).node == ("@moi/outil@*", "chalk@^4.1", "prompt-sync@*")


def test_installed_for_this_hand_in_alone(registry: Path, rendu: Path, tmp_path: Path) -> None:
    """Le rendu tourne avec son paquet, le suivant qui demande le même le partage."""
    (rendu / "ws_i_1_server.py").write_text(SERVER.format(module="salutations"))
    table, store = Table(), Store(tmp_path / "paquets")
    check = table.checks["i1.server.echo"]
    assert Grading(rendu, table).verdict(check).state == "could_not_run"
    installed = store.serve(HandIn(rendu))
    assert installed and installed.names == ("salutations 1.2",) and not installed.refused
    assert Grading(HandIn(rendu, packages=installed.folder), table).verdict(check).good
    again = tmp_path / "camarade"
    again.mkdir()
    (again / "ws_i_3_server.py").write_text("import salutations")
    assert store.serve(HandIn(again)) == installed
    (again / "ws_i_3_server.py").write_text("import asyncio")
    assert store.serve(HandIn(again)) is None


def test_one_missing_does_not_deprive_of_the_others(registry: Path, tmp_path: Path) -> None:
    """Un paquet inconnu est dit ; une version sans roue laisse place à la dernière."""
    found = install(Wanted(("inconnu", "salutations==0.1"), ()), tmp_path)
    assert found.names == ("salutations 1.2",) and found.refused == ("inconnu",)


def test_no_code_of_a_package_runs(registry: Path, tmp_path: Path) -> None:
    """Une source, dont l'installation exécuterait le code, est refusée."""
    trace, source = tmp_path / "trace", tmp_path / "piege-1.0"
    source.mkdir()
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "piege"\nbackend-path = ["."]\n'
    )
    (source / "piege.py").write_text(f"open({str(trace)!r}, 'w')")
    with tarfile.open(registry / "piege-1.0.tar.gz", "w:gz") as archive:
        archive.add(source, "piege-1.0")
    assert install(Wanted(("piege",), ()), tmp_path).refused == ("piege",)
    assert not trace.exists()


def test_what_is_here_comes_first(registry: Path, rendu: Path, tmp_path: Path) -> None:
    """Un paquet nommé comme websockets, ou comme un module de Python, n'est pas pris."""
    folder = tmp_path / "paquets"
    (folder / PYTHON).mkdir(parents=True)
    for name in ("websockets", "json", "salutations"):
        (folder / PYTHON / f"{name}.py").write_text("SAY = 'faux '")
    (rendu / "ws_i_1_server.py").write_text(SERVER.format(module="salutations"))
    table = Table()
    grading = Grading(HandIn(rendu, packages=folder), table)
    assert grading.verdict(table.checks["i1.server.echo"]).good


@pytest.mark.parametrize(("bound", "value"), [("SECONDS", 0.5), ("BYTES", 1000)])
def test_bounded(bound: str, value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Une installation trop longue ou trop grosse s'arrête, et ne laisse pas de processus."""
    program = tmp_path / "pip"
    program.write_text(
        f"#!{sys.executable}\nimport os, time\nopen('pid', 'w').write(str(os.getpid()))\n"
        "open('gros', 'wb').write(b'x' * 5000)\ntime.sleep(60)\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(packages, bound, value)
    monkeypatch.setattr(packages.sys, "executable", str(program))
    assert install(Wanted(("lent",), ()), tmp_path).refused == ("lent",)
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_npm_runs_no_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """npm est appelé sans les scripts des paquets, dans un dossier à part."""
    program = tmp_path / "npm"
    program.write_text(f'#!/bin/sh\npwd > {tmp_path}/appel\necho "$@" >> {tmp_path}/appel\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    install(Wanted((), ("chalk@^4.1",)), tmp_path)
    place, words = (tmp_path / "appel").read_text().splitlines()
    assert place == str(tmp_path / "node") and "--ignore-scripts" in words
    assert words.endswith("-- chalk@^4.1")


# --- Les pages qui prennent un script à un miroir de npm ------------------------------------------

PETIT = {
    "package.json": '{"name": "petit-dom", "version": "1.2.0", "unpkg": "./dist/petit.js", '
    '"main": "node.js", "scripts": {"prepack": "touch /tmp/piege"}}',
    "dist/petit.js": "window.petit = (s) => document.querySelector(s);",
    "dist/themes/petit.css": "p { color: red }",
    "dist/petit.css": ".petit-cache { display: none }",
    "node.js": "throw 1",
}
VIEW = {
    "package.json": '{"name": "@petit/view", "version": "2.0.1"}',
    "dist/index.mjs": 'import { put } from "./put.mjs";\n'
    "export const view = (at, f) => (state) => put(at, f(state));",
    "dist/put.mjs": "export const put = (at, html) => { at.innerHTML = html; };",
}


def packed(archive: Path, files: dict[str, str]) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
        for name in ("package/../../dehors.js", "/dehors.js"):
            tar.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("package/passwd.js")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Un npm à nous, qui ne sait qu'empaqueter ces deux paquets."""
    place = tmp_path / "npm"
    place.mkdir()
    packed(place / "petit-dom@1.tgz", PETIT)
    packed(place / "petit-dom@1.2.0.tgz", PETIT)
    packed(place / "@petit+view@^2.tgz", VIEW)
    program = place / "npm"
    program.write_text(
        f'#!/bin/sh\n[ "$1 $2" = "pack --ignore-scripts" ] || exit 1\nfor one; do :; done\n'
        f'cp "{place}/$(echo "$one" | tr / +).tgz" .\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    return place


@pytest.mark.parametrize(
    ("url", "package", "file"),
    [
        ("https://unpkg.com/vue@3/dist/vue.global.js", "vue@3", "dist/vue.global.js"),
        ("https://unpkg.com/petite-vue", "petite-vue@latest", ""),
        ("https://cdn.jsdelivr.net/npm/@a/b@1.2/x.mjs?min", "@a/b@1.2", "x.mjs"),
        ("https://cdn.jsdelivr.net/npm/vue@%5E3/x.js", "vue@^3", "x.js"),
        ("http://cdnjs.cloudflare.com/ajax/libs/vue/3.5.1/vue.js", "vue@3.5.1", "vue.js"),
        ("https://code.example.net/jquery.js", None, None),
        ("https://unpkg.com/../x", None, None),
        ("https://unpkg.com/vue@../x.js", None, None),
        ("https://unpkg.com/vue@%2e%2e%2f/x.js", None, None),
        ("https://unpkg.com/vue@file:x.js", None, None),
        ("https://cdn.jsdelivr.net/gh/quelqu/un/x.js", None, None),
    ],
)
def test_what_a_mirror_is_asked_for(url: str, package: str | None, file: str | None) -> None:
    asked = mirror.read(url)
    assert (asked and asked.package, asked and asked.file) == (package, file)


def test_what_a_page_gets(npm: Path, tmp_path: Path) -> None:
    """Le fichier principal, un fichier nommé, ou celui de ce nom ; rien hors du paquet."""
    wanted = Wanted((), (), ("@petit/view@^2", "inconnu@latest", "petit-dom@1", "petit-dom@1.2.0"))
    folder = tmp_path / "paquets"
    folder.mkdir()
    found = install(wanted, folder)
    assert found.names == ("@petit/view 2.0.1", "petit-dom 1.2.0", "petit-dom 1.2.0")
    assert found.refused == ("inconnu@latest",) and found.others == 0
    unpkg, cdnjs = "https://unpkg.com/petit-dom@1", "https://cdnjs.cloudflare.com/ajax/libs"
    expected = {
        unpkg: "dist/petit.js",
        f"{unpkg}/node": "node.js",
        f"{unpkg}/dist/petit.min.js": "dist/petit.js",
        f"{unpkg}/petit.css": None,
        f"{cdnjs}/petit-dom/1.2.0/petit.css": "dist/petit.css",
        "https://cdn.jsdelivr.net/npm/petit-dom@1": "node.js",
        f"{unpkg}/passwd.js": None,
        f"{unpkg}/../petit-dom@1.2.0/node.js": None,
        "https://unpkg.com/petit-dom@2": None,
    }
    for url, file in expected.items():
        place = mirror.file_of(url, found.folder)
        assert (place and place.read_text()) == (file and PETIT[file]), url
    outside = {place.parent for place in tmp_path.rglob("dehors.js")} - set(folder.glob("pages/*"))
    assert not outside and not list(folder.rglob("*.tgz"))


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("page_miroir", "i2.client"),
        pytest.param("page_miroir_module", "i3.client", marks=pytest.mark.meta),
    ],
)
def test_a_page_with_its_package(name: str, unit: str, npm: Path, tmp_path: Path) -> None:
    """Sans le paquet, l'issue dit ce qui y peut quelque chose ; avec lui, la page marche."""
    rendu, table = Path(__file__).parents[1] / "rendus" / name, Table()
    last = [check for check in table.checks.values() if check.unit == unit][-1]
    assert Grading(rendu, table).verdict(last).came == Came.NEEDS_MIRROR
    installed = Store(tmp_path / "paquets").serve(HandIn(rendu))
    assert installed and not installed.refused
    grading = Grading(HandIn(rendu, packages=installed.folder), table)
    for check in table.checks.values():
        if check.unit == unit:
            assert grading.verdict(check).good, check.id
