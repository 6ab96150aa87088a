"""databases.py : les deux bases, sans Docker, de leur naissance à leur rangement."""

import asyncio
import os
import pty
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from redis import ConnectionError as RedisConnectionError
from redis import Redis
from redis import TimeoutError as RedisTimeoutError
from support.chat import Chatter
from support.processes import ROOT, Process, wait_for
from support.storage import Private, empty_mongo, empty_redis, free_port, local_url

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
PRESENT = """
import os, redis
client = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
connected = [client.hget(key, "connected") for key in client.keys("session:*")]
print("présents :", connected.count("1"), "sur", len(connected))
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
        shutil.copy(ROOT / "databases.py", folder)
        self.redis_port, self.mongo_port = free_port(), free_port()
        self.urls = {
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_port}/0",
            "MONGO_URL": f"mongodb://127.0.0.1:{self.mongo_port}",
        }

    def command(self, *words: str | Path) -> list:
        return [sys.executable, self.folder / "databases.py", *(("--", *words) if words else ())]

    @contextmanager
    def run(self, *words: str | Path, **env: str):
        """Lance databases.py ; s'il vit encore à la fin, il s'arrête avec ses bases."""
        process = Process(*self.command(*words), cwd=self.folder, **(self.urls | env))
        try:
            yield process
        finally:
            process.stop(timeout=30)

    def finish(self, *words: str, **env: str) -> tuple[int, str]:
        """Lance databases.py jusqu'à sa fin ; rend son code de sortie et ce qu'il a écrit."""
        with self.run(*words, **env) as process:
            code = process.wait(60)
            return code, process.output

    def owners(self) -> list[int]:
        """Les processus qui écoutent sur les deux ports."""
        found = [databases.listener(port) for port in (self.redis_port, self.mongo_port)]
        return [int(name.rsplit(" ", 1)[1]) for name in found if "processus" in name]

    def is_empty(self) -> bool:
        """Vrai quand plus rien n'écoute sur les deux ports."""
        return not (answers(self.redis_port) or answers(self.mongo_port))


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


# --- Démarrer, ranger, retrouver ---------------------------------------------------------------


def test_data_survive_a_stop(place: Place):
    """Un flux et une collection écrits avant l'arrêt se retrouvent au lancement suivant."""
    assert place.finish("python", "-c", WRITE)[0] == 0
    assert place.is_empty()
    code, output = place.finish("python", "-c", READ)
    assert code == 0
    assert "relu 1 1" in output


@pytest.mark.parametrize(
    ("ending", "expected"),
    [("pass", 0), ("exit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 128 + 9)],
)
def test_exit_code_is_passed_on(place: Place, ending: str, expected: int):
    """Le code de sortie est celui de la commande, et les bases sont rangées."""
    code, output = place.finish("python", "-c", ending)
    assert code == expected, output
    assert place.is_empty()


def test_unknown_command(place: Place):
    """Une commande introuvable se dit en une phrase, et les bases sont rangées."""
    code, output = place.finish("commande-qui-n-existe-pas")
    assert code == 127
    assert "« commande-qui-n-existe-pas » ne se lance pas" in output
    assert "Traceback" not in output
    assert place.is_empty()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_without_command(place: Place, number: int):
    """Sans commande, un signal range les bases et finit bien."""
    with place.run() as process:
        process.wait_line("Ctrl.C arrête", timeout=60)
        assert answers(place.redis_port) and answers(place.mongo_port)
        assert process.stop(number, timeout=30) == 0
    assert place.is_empty()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_with_command(place: Place, number: int):
    """Un signal reçu par databases.py seul passe à la commande, qui écrit encore dans Redis."""
    with place.run("python", "-c", FAREWELL) as process:
        process.wait_line("commande prête", timeout=60)
        assert process.stop(number, timeout=30) == 3, process.output
        assert f"adieu {int(number)}" in process.output
        assert "Traceback" not in process.output
    assert place.is_empty()


def test_only_this_machine(place: Place):
    """Les bases n'écoutent que 127.0.0.1 : elles n'ont pas de mot de passe."""
    with place.run() as process:
        process.wait_line("Ctrl.C arrête", timeout=60)
        assert not answers(place.redis_port, "127.0.0.2")
        assert not answers(place.mongo_port, "127.0.0.2")


def test_killed_then_started_again(place: Place):
    """databases.py tué net : le lancement suivant retrouve les bases et les données."""
    with place.run() as process:
        process.wait_line("Ctrl.C arrête", timeout=60)
        process.stop(signal.SIGKILL)
    assert place.finish("python", "-c", WRITE)[0] == 0
    code, output = place.finish("python", "-c", READ)
    assert code == 0
    assert "relu 1 1" in output
    assert "je ne l'arrêterai pas" in output
    for pid in place.owners():
        os.kill(pid, signal.SIGKILL)
    wait_for(place.is_empty, "les bases tuées écoutent encore")
    code, output = place.finish("python", "-c", READ)
    assert code == 0
    assert "relu 1 1" in output


def test_stale_pid_file(place: Place):
    """Un numéro de processus oublié, et donné depuis à un autre programme, ne bloque rien."""
    folder = place.folder / ".data" / f"mongodb-{place.mongo_port}"
    folder.mkdir(parents=True)
    (folder / "pid.txt").write_text(str(os.getpid()))
    code, output = place.finish("python", "-c", "pass")
    assert code == 0, output


def test_folder_that_cannot_be_written(place: Place):
    """Sans endroit où garder les données : une phrase, et rien ne reste démarré."""
    (place.folder / ".data").touch()  # un fichier là où il faudrait un dossier
    code, output = place.finish("python", "-c", "pass")
    assert code == 1
    assert "Impossible d'écrire dans" in output and "Traceback" not in output
    assert place.is_empty()


# --- Des ports déjà pris -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["redis", "mongo"])
def test_port_taken_by_a_stranger(place: Place, name: str):
    """Un port pris par un autre programme : la phrase le nomme, et rien ne reste démarré."""
    port = getattr(place, f"{name}_port")
    with socket.create_server(("127.0.0.1", port)):  # accepte et ne dit rien
        code, output = place.finish()
    assert code == 1
    assert f"Le port {port} est pris par" in output
    assert f"{name.upper()}_URL" in output
    assert "Traceback" not in output
    if sys.platform == "linux":
        assert f"processus {os.getpid()}" in output
    assert place.is_empty()


@pytest.mark.parametrize("kind", [databases.RedisDatabase, databases.MongoDatabase])
def test_right_database_already_there(place: Place, kind: type, tmp_path: Path):
    """La bonne base répond déjà : elle sert, elle est annoncée, elle n'est pas arrêtée."""
    theirs = kind(local_url(kind), tmp_path / "theirs")
    theirs.start()
    try:
        code, output = place.finish("python", "-c", WRITE, **{kind.variable: theirs.url})
        assert code == 0, output
        assert f"{kind.name} répond déjà" in output
        assert "je ne l'arrêterai pas" in output
        assert theirs.problem() is None
    finally:
        theirs.stop()


def test_database_of_another_machine(place: Place):
    """Une adresse d'ailleurs qui ne répond pas : databases.py ne fait pas semblant."""
    elsewhere = f"redis://127.0.0.2:{place.redis_port}"
    code, output = place.finish(REDIS_URL=elsewhere)
    assert code == 1
    assert f"127.0.0.2:{place.redis_port}" in output
    assert "démarre-le là-bas" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("url", ["redis://127.0.0.1:80x", "redis://127.0.0.1:70000"])
def test_not_an_address(place: Place, url: str):
    """Une adresse mal écrite se dit en une phrase qui nomme sa variable."""
    code, output = place.finish(REDIS_URL=url)
    assert code == 1
    assert f"REDIS_URL={url}" in output
    assert "Traceback" not in output


def test_ports_from_the_env_file(place: Place):
    """Les adresses viennent du .env voisin, sauf celles que l'environnement donne."""
    lines = [f"MONGO_URL={place.urls['MONGO_URL']}", "REDIS_URL=redis://127.0.0.1:1"]
    (place.folder / ".env").write_text("\n".join(lines))
    code, output = place.finish("python", "-c", "pass", MONGO_URL="")
    assert code == 0, output
    assert f"MongoDB est prêt sur 127.0.0.1:{place.mongo_port}" in output
    assert f"Redis est prêt sur 127.0.0.1:{place.redis_port}" in output


@pytest.mark.parametrize("kind", [databases.RedisDatabase, databases.MongoDatabase])
def test_package_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: type):
    """Là où le paquet n'existe pas (Windows), une phrase envoie vers Docker."""

    def missing(package: str):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(databases, "files", missing)
    with pytest.raises(databases.CannotStart, match="docker compose up -d"):
        kind(kind.default_url, tmp_path).start()


# --- Dans un terminal ----------------------------------------------------------------------------

# Le premier terminal qu'ouvre le chef d'une session devient celui de la session.
ADOPT = "import os, sys; os.open(os.ttyname(0), os.O_RDWR); os.execv(sys.argv[1], sys.argv[1:])"
# Une commande qui compte ses Ctrl+C.
COUNT = """
import signal, time
presses = []
signal.signal(signal.SIGINT, lambda *_: presses.append(1))
print("commande prête")
while not presses:
    time.sleep(0.01)
time.sleep(0.5)
print("Ctrl+C reçus :", len(presses))
"""


@contextmanager
def in_terminal(place: Place, *words: str | Path):
    """Lance databases.py au premier plan d'un terminal ; donne le processus et le clavier."""
    keyboard, screen = pty.openpty()
    process = Process(
        sys.executable, "-c", ADOPT, *place.command(*words), cwd=place.folder, stdin=screen,
        **place.urls,
    )  # fmt: skip
    os.close(screen)
    try:
        yield process, keyboard
    finally:
        process.stop(timeout=30)
        with suppress(OSError):
            os.close(keyboard)


def test_ctrl_c_comes_once(place: Place):
    """La commande reçoit Ctrl+C du terminal, et pas une seconde fois de databases.py."""
    with in_terminal(place, "python", "-c", COUNT) as (process, keyboard):
        process.wait_line("commande prête", timeout=60)
        os.write(keyboard, b"\x03")
        assert process.wait(30) == 0
        assert "Ctrl+C reçus : 1" in process.output
    assert place.is_empty()


async def test_ctrl_c_with_300_clients(place: Place):
    """Ctrl+C avec 300 clients : chacun est prévenu, chaque départ est écrit, tout est rangé."""
    server = ("python", ROOT / "ws_ii_3_server.py", "-p", "0")
    with in_terminal(place, *server) as (process, keyboard):
        url = (await asyncio.to_thread(process.wait_line, r"ws://\S+", 60))[0]
        clients = [await Chatter.join(url, f"client {number}") for number in range(300)]
        os.write(keyboard, b"\x03")
        code = await asyncio.to_thread(process.wait, 30)
        assert code == 0, process.output
        closed = [await client.closed() for client in clients]
        assert closed == [1001] * 300
        assert "Traceback" not in process.output
    assert place.is_empty()
    code, output = place.finish("python", "-c", PRESENT)
    assert code == 0
    assert "présents : 0 sur 300" in output


def test_terminal_window_closed(place: Place):
    """La fenêtre du terminal se ferme : la commande finit d'écrire, puis les bases se rangent."""
    with in_terminal(place, "python", "-c", FAREWELL) as (process, keyboard):
        process.wait_line("commande prête", timeout=60)
        os.close(keyboard)
        assert process.wait(30) == 3, process.output
    assert place.is_empty()


# --- Les bases que les tests empruntent ----------------------------------------------------------


def test_redis_is_empty(redis_url: str):
    """Chaque test reçoit un Redis vide, même après lui-même."""
    with Redis.from_url(redis_url) as client:
        client.set("trace", "1")
    empty_redis(redis_url)
    with Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_mongo_is_empty(mongo_url: str):
    """Chaque test reçoit un MongoDB vide, sous un nom de base de données neuf."""
    server, _, name = mongo_url.rpartition("/")
    with MongoClient(mongo_url) as client:
        assert client.get_default_database().name == name
        client[name].messages.insert_one({"_id": "1-0"})
        client.tp7.messages.insert_one({"_id": "1-0"})
        assert empty_mongo(server) != mongo_url
        assert not {name, "tp7"} & set(client.list_database_names())


def test_private_redis_survives(private_redis: Private):
    """Une base privée figée, tuée, arrêtée, relancée garde son adresse et ses données."""
    with Redis.from_url(private_redis.url, socket_timeout=1) as client:
        client.set("trace", "1")
        private_redis.freeze()
        with pytest.raises(RedisTimeoutError):
            client.get("trace")
        private_redis.thaw()
        assert client.get("trace") == b"1"
        before = private_redis.pid
        private_redis.kill()
        with pytest.raises(RedisConnectionError):
            client.get("trace")
        private_redis.start()
        assert private_redis.pid != before
        assert client.get("trace") == b"1"
        private_redis.freeze()
        private_redis.restart()
        assert client.get("trace") == b"1"


def test_private_mongo_survives(private_mongo: Private):
    """La même chose pour MongoDB."""
    with MongoClient(private_mongo.url, serverSelectionTimeoutMS=1000) as client:
        client.tp7.messages.insert_one({"_id": "1-0"})
        private_mongo.kill()
        with pytest.raises(PyMongoError):
            client.tp7.messages.find_one()
    private_mongo.start()
    private_mongo.freeze()
    private_mongo.restart()
    with MongoClient(private_mongo.url) as client:
        assert client.tp7.messages.find_one() == {"_id": "1-0"}
