"""Le Makefile : `make` montre ses commandes, et `make chat` marche dans n'importe quel dossier."""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from support.processes import ROOT, Process, clean_environment, missing
from support.storage import free_port

pytestmark = pytest.mark.skipif(missing("make") is not None, reason=str(missing("make")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Une copie de ce que `make chat` lance, déjà installée."""
    return copy_to(tmp_path / "tp7")


def copy_to(folder: Path) -> Path:
    shutil.copytree(ROOT / "chatroom", folder / "chatroom")
    for name in "Makefile", "databases.py", "ws_i_3_client.html", "requirements.txt":
        shutil.copy(ROOT / name, folder)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def make(folder: Path, *words: str, **env: str) -> tuple[int, str]:
    """Lance make jusqu'à sa fin ; rend son code de sortie et ce qu'il a écrit."""
    done = subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=folder,
        env=clean_environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout


@pytest.fixture
def running(redis_url: str, mongo_url: str) -> dict[str, str]:
    """Des bases qui tournent déjà : `make chat` s'en sert."""
    return {"REDIS_URL": redis_url, "MONGO_URL": mongo_url}


@contextmanager
def chat(folder: Path, *words: str, **env: str) -> Iterator[tuple[str, str, str]]:
    """Lance `make chat` ; donne l'adresse du serveur, la commande du client et celle de la page."""
    process = Process("make", "-o", "install", "chat", *words, cwd=folder, **env)
    try:
        server = process.wait_line(r"à l'écoute sur (\S+)", timeout=30)[1]
        yield server, process.wait_line("^  (cd .*)")[1], process.wait_line("^  (file:.*)")[1]
    finally:
        process.stop(timeout=30)


def test_every_target_is_shown():
    """`make` seul montre toutes les commandes."""
    phony = set(
        re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    )
    shown = re.findall(r"^  make ([a-z-]+) +\S", make(ROOT)[1], re.MULTILINE)
    assert set(shown) == phony - {"install"}


def test_without_python(tmp_path: Path):
    """Sans Python 3.11, make dit quoi taper sur Rocky Linux et sur Debian."""
    for name in "Makefile", "requirements.txt":
        shutil.copy(ROOT / name, tmp_path)
    code, output = make(tmp_path, "install", "CANDIDATES=python-absent")
    assert code != 0
    assert "sudo dnf install python3.12" in output
    assert "sudo apt install python3 python3-venv" in output
    assert not (tmp_path / ".venv").exists()


def test_options_are_passed_on():
    """`make test` donne PYTEST_OPTIONS à pytest, et `make noter` son rendu avec « = »."""
    assert "-m pytest -x -k redis" in make(ROOT, "-n", "test", "PYTEST_OPTIONS=-x -k redis")[1]
    shown = "PYTEST=printf '<%s>'"  # au lieu de noter, les mots reçus
    ready = ("-o", "install", "-o", "node_modules/.package-lock.json", "noter", shown)
    code, noter = make(ROOT, *ready, "RENDU=../l'ami", "LANGUE=en")
    assert (code, noter) == (0, "<--rendu=../l'ami><--langue=en>")
    options = ("RENDUS=../classe", "RAPPORT=../nos notes", "INSTALLER=1")
    noter = make(ROOT, *ready, *options)[1]
    assert noter == "<--rendus=../classe><--langue=fr><--rapport=../nos notes><--installer>"
    assert make(ROOT, *ready)[0] == 2


def test_style_checks_types():
    """`make style` lit aussi les types de la chatroom."""
    assert "-m mypy\n" in make(ROOT, "-n", "style")[1]


def test_lines_to_paste(tmp_path: Path, running: dict[str, str]):
    """Les lignes que montre `make chat` se copient, quels que soient les noms des dossiers."""
    folder = copy_to(tmp_path / "l'école" / "tp7(1)" / "a&b" / "C# 100%25 $HOME")
    with chat(folder, f"PORT={free_port()}", **running) as (server, command, page):
        client = Process("sh", "-c", command, cwd=Path("/"))
        try:
            client.write("Ada")
            client.wait_line("Ada")
            client.write("bonjour")
            client.wait_line("bonjour")
        finally:
            client.kill()
    address = urlsplit(page)
    assert Path(unquote(address.path)) == folder / "ws_i_3_client.html"
    assert not set(page) & set(" '()#$")
    place = parse_qs(address.query)
    assert f"ws://{place['address'][0]}:{place['port'][0]}" == server


@pytest.mark.parametrize("source", ["make", "environment", ".env"])
def test_one_place_for_all(folder: Path, running: dict[str, str], source: str):
    """Option de make, puis environnement, puis .env : serveur et clients ont la même adresse."""
    places = {name: ("127.0.0.2", free_port()) for name in ("make", "environment", ".env")}
    words, env = [], {"ADDRESS": "127.0.0.9", "PORT": "1"}  # d'autres programmes s'en servent
    (folder / ".env").write_text("WS_HOST={}\nWS_PORT={}\n".format(*places[".env"]))
    if source != ".env":
        env |= dict(zip(("WS_HOST", "WS_PORT"), map(str, places["environment"]), strict=True))
    if source == "make":
        words = ["ADDRESS={}".format(places["make"][0]), "PORT={}".format(places["make"][1])]
    host, port = places[source]
    with chat(folder, *words, **running, **env) as (server, command, page):
        assert server == f"ws://{host}:{port}"
        assert command.endswith(f" -a {host} -p {port}")
        assert page.endswith(f"?address={host}&port={port}")


def test_not_a_port(folder: Path):
    """PORT=abc : la vraie raison, avant de rien démarrer."""
    code, output = make(folder, "-o", "install", "chat", "PORT=abc")
    assert code != 0 and "« abc »" in output and "65535" in output
    assert "rejoindre" not in output and "Redis" not in output


def test_port_in_use(folder: Path, running: dict[str, str]):
    """Un port pris : la vraie raison, et le port."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        code, output = make(folder, "-o", "install", "chat", f"PORT={port}", **running)
    assert code != 0 and f"port {port} " in output and "already in use" in output
    assert "Traceback" not in output


def test_misread_env(folder: Path):
    """Un .env mal écrit se dit en une phrase, avec le numéro de sa ligne."""
    (folder / ".env").write_text("# réglages\n\nWS_PORT: 9000\n")
    code, output = make(folder, "-o", "install", "chat")
    assert code != 0 and ".env, ligne 3" in output
    assert "python-dotenv" not in output and "rejoindre" not in output
