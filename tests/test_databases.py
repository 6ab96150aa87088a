"""databases.py : les deux bases, sans Docker, de leur naissance à leur rangement."""

import asyncio
import os
import pty
import re
import shutil
import signal
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import bson
import pytest
from redis import Redis
from support.chat import Chatter
from support.processes import PATIENCE, ROOT, Process, wait_for
from support.storage import Private, free_port

import databases

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows n'a pas ces bases")

WRITE = """
import os, pymongo, redis
redis.Redis.from_url(os.environ["REDIS_URL"]).xadd("room", {"text": "bonjour"})
pymongo.MongoClient(os.environ["MONGO_URL"]).tp7.messages.insert_one({"_id": "1-0"})
"""
READ = """
import os, pymongo, redis
stream = redis.Redis.from_url(os.environ["REDIS_URL"]).xlen("room")
print("relu", stream, pymongo.MongoClient(os.environ["MONGO_URL"]).tp7.messages.count_documents({}))
"""
# Une commande qui, à SIGTERM ou SIGHUP, écrit encore dans Redis avant de finir.
FAREWELL = """
import os, redis, signal, sys
def leave(number, frame):
    redis.Redis.from_url(os.environ["REDIS_URL"]).set("adieu", number)
    print("adieu", number)
    sys.exit(3)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, leave)
print("commande prête")
while True:
    signal.pause()
"""


class Place:
    """Un dossier avec databases.py et deux ports à lui."""

    def __init__(self, folder: Path):
        self.folder = folder
        shutil.copytree(ROOT / "chatroom", folder / "chatroom")
        shutil.copy(ROOT / "databases.py", folder)
        self.redis_port, self.mongo_port = free_port(), free_port()
        self.urls = {
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_port}/0",
            "MONGO_URL": f"mongodb://127.0.0.1:{self.mongo_port}",
        }

    def command(self, *words: str | Path) -> list:
        return [sys.executable, self.folder / "databases.py", *(("--", *words) if words else ())]

    @contextmanager
    def run(self, *words: str | Path, **env: str) -> Iterator[Process]:
        """Lance databases.py ; s'il vit encore à la fin, il s'arrête avec ses bases."""
        process = Process(*self.command(*words), cwd=self.folder, **(self.urls | env))
        try:
            yield process
        finally:
            process.stop(timeout=30)

    def finish(self, *words: str, **env: str) -> tuple[int, str]:
        """Lance databases.py jusqu'à sa fin ; rend son code de sortie et ce qu'il a écrit."""
        with self.run(*words, **env) as process:
            return process.wait(60), process.output

    def owners(self) -> list[int]:
        """Les processus qui écoutent sur les deux ports."""
        found = [databases.listener(port) for port in (self.redis_port, self.mongo_port)]
        return [int(name.rsplit(" ", 1)[1]) for name in found if "processus" in name]

    def is_empty(self) -> bool:
        """Vrai quand plus rien n'écoute sur les deux ports."""
        return not (answers(self.redis_port) or answers(self.mongo_port))


def refusal(kind: type[databases.Database], url: str) -> str:
    """La phrase par laquelle databases.py refuse, tout de suite, de se servir de cette adresse."""
    started = time.monotonic()
    with pytest.raises(databases.CannotStart) as error:
        databases.bring_up(kind(url))
    assert time.monotonic() - started < 5 * PATIENCE
    assert kind.variable in str(error.value)
    assert "secret" not in str(error.value), "un mot de passe est montré"
    return str(error.value)


def answers(port: int, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Un dossier à part ; les bases qu'un test raté y aurait oubliées sont tuées."""
    place = Place(tmp_path)
    yield place
    for pid in place.owners():
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def running(redis_url: str, mongo_url: str) -> dict[str, str]:
    """Des bases qui tournent déjà."""
    return {"REDIS_URL": redis_url, "MONGO_URL": mongo_url}


# --- Démarrer, ranger, retrouver ---------------------------------------------------------------


def test_data_survive(place: Place):
    """Ce qui est écrit se retrouve : après un arrêt, et après que tout est tué net."""
    assert place.finish("python", "-c", WRITE)[0] == 0
    assert place.is_empty()
    with place.run() as process:
        process.wait_line("Ctrl.C arrête", timeout=60)
        # Sans mot de passe, les bases n'écoutent que cette machine.
        assert answers(place.redis_port) and not answers(place.redis_port, "127.0.0.2")
        assert answers(place.mongo_port) and not answers(place.mongo_port, "127.0.0.2")
        process.stop(signal.SIGKILL)
    code, output = place.finish("python", "-c", READ)
    assert code == 0 and "relu 1 1" in output
    assert "Redis répond déjà" in output and "MongoDB répond déjà" in output
    assert output.count("je ne l'arrêterai pas") == 2
    for pid in place.owners():
        os.kill(pid, signal.SIGKILL)
    wait_for(place.is_empty, "les bases tuées écoutent encore")
    # Un numéro de processus oublié, et donné depuis à un autre programme, ne bloque rien.
    (place.folder / f".data/mongodb-{place.mongo_port}/pid.txt").write_text(str(os.getpid()))
    code, output = place.finish("python", "-c", READ)
    assert code == 0 and "relu 1 1" in output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("python", "-c", "exit(7)"), 7),
        (("python", "-c", "import os; os.kill(os.getpid(), 9)"), 128 + 9),
        (("commande-qui-n-existe-pas",), 127),
    ],
)
def test_exit_code(place: Place, running: dict[str, str], words: tuple[str, ...], expected: int):
    """Le code de sortie est celui de la commande ; introuvable, elle se dit en une phrase."""
    code, output = place.finish(*words, **running)
    assert code == expected and "Traceback" not in output, output
    assert ("« commande-qui-n-existe-pas » ne se lance pas" in output) == (code == 127)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGHUP, marks=pytest.mark.endurance)]
)
def test_signal_without_command(place: Place, number: int):
    """Sans commande, un signal range les bases et finit bien."""
    with place.run() as process:
        process.wait_line("Ctrl.C arrête", timeout=60)
        assert process.stop(number, timeout=30) == 0
    assert place.is_empty()


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.endurance),
        signal.SIGTERM,
        pytest.param(signal.SIGHUP, marks=pytest.mark.endurance),
    ],
)
def test_signal_with_command(place: Place, number: int):
    """Un signal reçu par databases.py seul passe à la commande, qui écrit encore dans Redis."""
    with place.run("python", "-c", FAREWELL) as process:
        process.wait_line("commande prête", timeout=60)
        assert process.stop(number, timeout=30) == 3, process.output
        assert f"adieu {int(number)}" in process.output and "Traceback" not in process.output
    assert place.is_empty()


def test_folder_that_cannot_be_written(place: Place):
    """Sans endroit où garder les données : une phrase, et rien ne reste démarré."""
    (place.folder / ".data").touch()  # un fichier là où il faudrait un dossier
    code, output = place.finish()
    assert code == 1 and "Impossible d'écrire dans" in output and "Traceback" not in output
    assert place.is_empty()


@pytest.mark.parametrize("kind", [databases.RedisDatabase, databases.MongoDatabase])
def test_package_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: type):
    """Là où le paquet n'existe pas (Windows), une phrase envoie vers Docker."""

    def missing(package: str):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(databases, "files", missing)
    with pytest.raises(databases.CannotStart, match="docker compose up -d"):
        kind(kind.default_url, tmp_path).start()


# --- Quelqu'un est déjà là -----------------------------------------------------------------------


def test_started_three_times_at_once(place: Place):
    """Trois databases.py au même instant : chaque base n'a qu'un maître, et sert aux trois."""
    wait = ("python", "-c", "import sys; print('servi'); sys.stdin.read()")
    with place.run(*wait) as one, place.run(*wait) as two, place.run(*wait) as three:
        everybody = one, two, three
        for process in everybody:
            process.wait_line("servi", timeout=60)
        output = "\n".join(process.output for process in everybody)
        assert output.count("Redis est prêt") == output.count("MongoDB est prêt") == 1, output
        assert output.count("je ne l'arrêterai pas") == 4, output
    assert place.is_empty()


@pytest.mark.parametrize("name", ["redis", "mongo"])
def test_port_taken_by_a_stranger(place: Place, running: dict[str, str], name: str):
    """Un port pris par un autre programme : la phrase le nomme, et rien ne reste démarré."""
    variable, port = f"{name.upper()}_URL", getattr(place, f"{name}_port")
    stranger = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1])))"
    process = Process(
        sys.executable, "-c", f"{stranger}; print('ici'); sys.stdin.read()", str(port)
    )
    try:
        process.wait_line("ici")
        code, output = place.finish(**running | {variable: place.urls[variable]})
    finally:
        process.kill()
    assert code == 1 and "Traceback" not in output
    assert f"127.0.0.1:{port}" in output and variable in output
    assert sys.platform != "linux" or f"pris par python, processus {process.pid}" in output


def test_redis_wants_a_password(private_redis: Private):
    """Un Redis qui répond, mais refuse : la raison, et aucun mot de passe sur l'écran."""
    with Redis.from_url(private_redis.url) as redis:
        redis.config_set("requirepass", "secret")
    for user in "", ":autre-secret@", "ada:secret@":
        url = private_redis.url.replace("//", f"//{user}")
        assert "il faut le bon mot de passe" in refusal(databases.RedisDatabase, url)
    url = private_redis.url.replace("//", "//:secret@")
    databases.bring_up(databases.RedisDatabase(url))
    assert "DB index is out of range" in refusal(databases.RedisDatabase, url.replace("/0", "/99"))


class Guard(socketserver.StreamRequestHandler):
    """Un MongoDB qui salue tout le monde, comme les vrais, mais n'obéit qu'à ceux qu'il connaît.

    Le premier salut vient en OP_QUERY, auquel répond OP_REPLY (1) ; tout le reste est en OP_MSG.
    """

    HELLO = {"ok": 1, "helloOk": True, "isWritablePrimary": True, "maxWireVersion": 21}
    REFUSAL = {"ok": 0, "code": 13, "errmsg": "Command listDatabases requires authentication"}

    def handle(self) -> None:
        while header := self.rfile.read(16):
            length, number, _, opcode = struct.unpack("<4i", header)
            greeted = re.search(b"(?i)(hello|ismaster|ping)\0", self.rfile.read(length - 16))
            body = bson.encode(self.HELLO if greeted else self.REFUSAL)
            if opcode == 2004:
                opcode, body = 1, struct.pack("<iqii", 0, 0, 0, 1) + body
            else:
                body = bytes(5) + body
            self.wfile.write(struct.pack("<4i", 16 + len(body), 0, number, opcode) + body)


def test_mongo_wants_a_password():
    """Un MongoDB qui répond, mais refuse : la raison."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Guard) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"mongodb://127.0.0.1:{server.server_address[1]}"
        try:
            assert "il faut le bon mot de passe" in refusal(databases.MongoDatabase, url)
        finally:
            server.shutdown()


# --- Ce que les adresses demandent ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis://127.0.0.1:1/99", "demande plus de seize bases"),
        ("redis://ada:secret@127.0.0.1:1/0", "demande un mot de passe"),
        ("rediss://127.0.0.1:1/0", "demande TLS"),
        ("redis://127.0.0.2:1/0", "127.0.0.2:1"),
        ("unix:///tmp/secre/redis.sock", "/tmp/secre/redis.sock"),
        ("redis://:secret/x@127.0.0.1:1", "n'est pas une adresse"),
        ("redis://127.0.0.1:80x", "n'est pas une adresse"),
        ("redis://127.0.0.1:70000", "n'est pas une adresse"),
        ("redis://127.0.0.1:1/0?foo=bar", "foo"),
        ("mongodb://ada:secret@127.0.0.1:1", "demande un mot de passe"),
        ("mongodb://127.0.0.1:1/?replicaSet=tp7", "demande un replica set"),
        ("mongodb://127.0.0.1:1,127.0.0.1:2/", "demande un replica set"),
        ("mongodb://127.0.0.1:1/?tls=true", "demande TLS"),
        ("mongodb://ada:se:secret@w@127.0.0.1", "n'est pas une adresse"),
        ("mongodb://127.0.0.1:1/?foo=bar", "option"),
    ],
)
def test_more_than_we_have(url: str, reason: str):
    """Ce que seule une vraie base offrirait, ou une adresse mal écrite : la raison."""
    kind = databases.MongoDatabase if url.startswith("mongodb") else databases.RedisDatabase
    assert reason in refusal(kind, url)


def test_more_than_the_one_there_has(shared_mongo: str):
    """Un MongoDB tout simple répond là où l'on attend un replica set, ou un mot de passe."""
    for url in f"{shared_mongo}/?replicaSet=tp7", shared_mongo.replace("//", "//ada:secret@"):
        assert "demande un" in refusal(databases.MongoDatabase, url)


def test_addresses_from_the_env_file(place: Place):
    """Les adresses viennent du .env voisin, sauf celles que l'environnement donne."""
    lines = [f"MONGO_URL={place.urls['MONGO_URL']}", "REDIS_URL=redis://127.0.0.1:1"]
    (place.folder / ".env").write_text("\n".join(lines), encoding="utf-8-sig")
    code, output = place.finish("python", "-c", "pass", MONGO_URL="")
    assert code == 0, output
    assert f"MongoDB est prêt sur 127.0.0.1:{place.mongo_port}" in output
    assert f"Redis est prêt sur 127.0.0.1:{place.redis_port}" in output


@pytest.mark.parametrize(
    "text",
    ["WS_PORT: 9000", "WS_PORT:9000", "set WS_PORT=9000", "$env:WS_PORT=9000", 'URL="secret\nA=1'],
)
def test_misread_env_file(place: Place, text: str):
    """Une ligne que python-dotenv passerait : une phrase avec son numéro, et pas la ligne."""
    (place.folder / ".env").write_text(f"# réglages\n\n{text}\nMONGO_URL=\n")
    code, output = place.finish()
    assert code == 1 and ".env, ligne 3 " in output and len(output.splitlines()) == 1


def test_env_file_of_another_encoding(place: Place):
    """Un .env que le PowerShell de Windows écrit en UTF-16 : une phrase, et le remède."""
    (place.folder / ".env").write_text("WS_PORT=8889\n", encoding="utf-16")
    code, output = place.finish()
    assert code == 1 and "UTF-8" in output and "Traceback" not in output


# --- Dans un terminal ----------------------------------------------------------------------------

# Le premier terminal qu'ouvre le chef d'une session devient celui de la session.
ADOPT = "import os, sys; os.open(os.ttyname(0), os.O_RDWR); os.execv(sys.argv[1], sys.argv[1:])"


@contextmanager
def in_terminal(place: Place, *words: str | Path, **env: str):
    """Lance databases.py au premier plan d'un terminal ; donne le processus et le clavier."""
    keyboard, screen = pty.openpty()
    process = Process(
        sys.executable, "-c", ADOPT, *place.command(*words), cwd=place.folder, stdin=screen,
        **place.urls | env,
    )  # fmt: skip
    os.close(screen)
    try:
        yield process, keyboard
    finally:
        process.stop(timeout=30)
        with suppress(OSError):
            os.close(keyboard)


async def test_ctrl_c_with_100_clients(place: Place):
    """Ctrl+C, reçu une fois : chaque client est prévenu, chaque départ écrit, tout est rangé."""
    command = ("python", "-m", "chatroom", "-p", "0")
    with in_terminal(place, *command) as (process, keyboard):
        url = (await asyncio.to_thread(process.wait_line, r"ws://\S+", 60))[0]
        clients = [await Chatter.join(url, f"client {number}") for number in range(100)]
        os.write(keyboard, b"\x03")
        assert await asyncio.to_thread(process.wait, 30) == 0, process.output
        assert [await client.closed() for client in clients] == [1001] * 100
        assert "Traceback" not in process.output
    assert place.is_empty()
    count = "import os, redis; r = redis.Redis.from_url(os.environ['REDIS_URL'])"
    online = f"{count}; print('restent', r.zcard('{{chatroom}}:online'), r.dbsize() > 100)"
    assert "restent 0 True" in place.finish("python", "-c", online)[1]


def test_terminal_window_closed(place: Place):
    """La fenêtre du terminal se ferme : la commande finit d'écrire, puis les bases se rangent."""
    with in_terminal(place, "python", "-c", FAREWELL) as (process, keyboard):
        process.wait_line("commande prête", timeout=60)
        os.close(keyboard)
        assert process.wait(30) == 3, process.output
    assert place.is_empty()
