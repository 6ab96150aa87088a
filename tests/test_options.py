"""Options, environnement, .env, erreurs au démarrage et signaux : les mêmes pour chaque script."""

import asyncio
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from redis import Redis
from support.chat import Chatter
from support.processes import PATIENCE, ROOT, Process, Server, clean_environment, wait_for
from support.storage import free_port
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

ECHO, I_3, II_2, II_3 = SERVERS = (
    "ws_i_1_server.py",
    "ws_i_3_server.py",
    "ws_ii_2_server.py",
    "ws_ii_3_server.py",
)
CLIENTS = ("ws_i_1_client.py", "ws_i_3_client.py")
# Aucune machine n'a ces adresses-là (RFC 5737) : le serveur s'arrête en disant où il écoutait.
NOWHERE = "203.0.113."
SAID_BY_SERVER = re.compile(r"Impossible d'écouter sur (\S+), port (\d+) ")
SAID_BY_CLIENT = re.compile(r"ws://(\S+):(\d+)")

each_server = pytest.mark.parametrize("script", SERVERS)
each_script = pytest.mark.parametrize("script", SERVERS + CLIENTS)


@dataclass
class Result:
    """Comment un script a fini : son code, ce qu'il a écrit, en combien de secondes."""

    code: int
    output: str
    errors: str
    seconds: float


def run(script: str | Path, *options: str, cwd: Path = ROOT, **env: str) -> Result:
    """Lance un script jusqu'à sa fin, un pseudo sur son entrée."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, ROOT / script, *options],
        cwd=cwd,
        env=clean_environment(**env),
        input="Ada\n",
        capture_output=True,
        text=True,
        timeout=20 * PATIENCE,
    )
    return Result(done.returncode, done.stdout, done.stderr, time.monotonic() - started)


def check_sentence(result: Result, *words: str) -> None:
    """Une erreur au démarrage : une phrase qui nomme ces choses, code 1, sans traceback."""
    assert result.code == 1, result
    sentence = result.errors.strip()
    assert len(sentence.splitlines()) == 1, sentence
    assert all(word in sentence for word in words), sentence
    assert sentence.endswith(".")
    assert result.seconds < 5 * PATIENCE


@pytest.fixture
def databases(redis_url: str) -> dict[str, str]:
    """Un Redis qui répond ; MongoDB n'est pas demandé au démarrage."""
    return {"REDIS_URL": redis_url, "MONGO_URL": "mongodb://127.0.0.1:1"}


@pytest.fixture
def silent_host() -> Iterator[int]:
    """Un port où l'on peut se connecter, et où personne ne répond jamais."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


# --- D'où viennent l'adresse et le port ------------------------------------------------------


@each_script
def test_precedence(script: str, databases: dict[str, str], tmp_path: Path):
    """Option, puis environnement, puis .env du dossier du script, puis valeur par défaut.

    Ni le .env du dossier courant ni celui d'un dossier parent ne comptent ; vide, c'est absent.
    """
    prefix, said = (NOWHERE, SAID_BY_SERVER) if script in SERVERS else ("127.0.0.", SAID_BY_CLIENT)
    ports = [str(free_port()) for _ in range(4)]
    folder, elsewhere = tmp_path / "parent" / "tp", tmp_path / "ailleurs"
    folder.mkdir(parents=True)
    elsewhere.mkdir()
    for wrong in folder.parent, elsewhere, tmp_path:
        (wrong / ".env").write_text(f"WS_HOST={prefix}99\nWS_PORT={ports[3]}\n")
    shutil.copy(ROOT / script, folder)

    def target(*options: str, env: tuple[str, str] | None, file: str | None) -> tuple[str, str]:
        (folder / ".env").unlink(missing_ok=True)
        if file is not None:
            (folder / ".env").write_text(file, encoding="utf-8")
        changes = dict(zip(("WS_HOST", "WS_PORT"), env, strict=True)) if env else {}
        result = run(folder / script, *options, cwd=elsewhere, **databases, **changes)
        found = said.search(result.errors + result.output)
        assert found, result
        return found.groups()

    option, env = ("-a", f"{prefix}2", "--port", ports[0]), (f"{prefix}3", ports[1])
    file = f"WS_HOST={prefix}4\nWS_PORT={ports[2]}\n"
    assert target(*option, env=env, file=file) == (f"{prefix}2", ports[0])
    assert target(env=env, file=file) == (f"{prefix}3", ports[1])
    assert target(env=("", ""), file=file) == (f"{prefix}4", ports[2])
    assert target("-a", "", "-p", "", env=None, file=file) == (f"{prefix}4", ports[2])
    empty = "# rien\nWS_HOST=\nWS_PORT=\n"
    for file in empty, None:
        assert target("-a", f"{prefix}2", env=None, file=file) == (f"{prefix}2", "8888")


@pytest.mark.parametrize("script", CLIENTS)
@pytest.mark.parametrize("address", ["ws://127.0.0.1:8888", "127.0.0.1:8888", "[::1]", "http://x"])
def test_not_a_host(script: str, address: str):
    """Une adresse mal écrite après `-a` donne une phrase, sans traceback."""
    result = run(script, "-a", address)
    assert result.code == 1 and "Traceback" not in result.errors, result
    assert "Pas de serveur WebSocket à " in result.errors, result


@each_server
def test_default_address(script: str, databases: dict[str, str]):
    """Sans rien dire d'autre, un serveur n'écoute que cette machine, même si HOST est là."""
    server = Process(
        *(sys.executable, ROOT / script, "-p", "0"), HOST="0.0.0.0", PORT="1", **databases
    )
    try:
        assert server.wait_line(r"ws://(\S+):\d+")[1] == "127.0.0.1"
        assert server.stop() == 0
    finally:
        server.kill()


@pytest.mark.parametrize("script", CLIENTS)
def test_default_server(script: str):
    """Sans rien dire d'autre, un client cherche un serveur sur cette machine."""
    port = str(free_port())
    result = run(script, "-p", port)
    assert SAID_BY_CLIENT.search(result.errors + result.output).groups() == ("127.0.0.1", port)


@each_server
def test_the_given_port(script: str, databases: dict[str, str]):
    """Le serveur écoute le port demandé, et l'annonce en une seule ligne."""
    port = free_port()
    server = Server(script, port=port, **databases)
    try:
        assert server.url == f"ws://127.0.0.1:{port}"
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        assert server.lines == [
            f"Serveur à l'écoute sur ws://127.0.0.1:{port} (Ctrl+C pour l'arrêter)"
        ]
    finally:
        assert server.stop() == 0


@pytest.mark.skipif(not socket.has_ipv6, reason="pas d'IPv6 ici : rien à activer")
@each_server
async def test_ipv6(script: str, databases: dict[str, str]):
    """Une adresse IPv6 s'écrit entre crochets dans l'URL, et l'URL marche."""
    server = Server(script, address="::1", **databases)
    try:
        assert re.fullmatch(r"ws://\[::1\]:\d+", server.url)
        async with connect(server.url, proxy=None) as websocket:
            await websocket.ping()
    finally:
        assert server.stop() == 0


def test_redis_url_from_the_env_file(redis_url: str, tmp_path: Path):
    """REDIS_URL suit la même règle : l'environnement, puis .env."""
    shutil.copy(ROOT / II_2, tmp_path)
    (tmp_path / ".env").write_text("REDIS_URL=redis://127.0.0.1:2/0\n")
    check_sentence(run(tmp_path / II_2), "redis://127.0.0.1:2/0")
    check_sentence(
        run(tmp_path / II_2, "-a", f"{NOWHERE}1", REDIS_URL=redis_url), f"{NOWHERE}1", "8888"
    )


@pytest.mark.parametrize("script", [*SERVERS, *CLIENTS, "databases.py"])
def test_env_file_of_another_encoding(script: str, tmp_path: Path):
    """Un .env que le PowerShell de Windows écrit en UTF-16 : une phrase, et le remède."""
    shutil.copy(ROOT / script, tmp_path)
    (tmp_path / ".env").write_text("WS_PORT=8889\n", encoding="utf-16")
    check_sentence(run(tmp_path / script), ".env", "UTF-8")


@each_script
def test_env_file_with_a_byte_order_mark(script: str, databases: dict[str, str], tmp_path: Path):
    """La marque que le Bloc-notes met en tête d'un .env ne cache pas le premier réglage."""
    shutil.copy(ROOT / script, tmp_path)
    (tmp_path / ".env").write_text("WS_PORT=abc\n", encoding="utf-8-sig")
    result = run(tmp_path / script, **databases)
    assert result.code == 2 and "WS_PORT dans le fichier .env : « abc »" in result.errors, result


# --- Erreurs d'usage -------------------------------------------------------------------------


def refused(script: str, name: str, source: str, value: str, folder: Path, **env: str) -> Result:
    """Donne une valeur par l'une des trois sources à une copie du script."""
    shutil.copy(ROOT / script, folder)
    if source == "-p":
        return run(folder / script, "-p", value, **env)
    if source.endswith("l'environnement"):
        return run(folder / script, **env, **{name: value})
    (folder / ".env").write_text(f"{name}={value}\n")
    return run(folder / script, **env)


@each_script
@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("-p", "65536"),
        ("-p", "-1"),
        ("-p", "9" * 5000),  # un nombre que Python lui-même refuse de lire
        ("WS_PORT dans l'environnement", "abc"),
        ("WS_PORT dans le fichier .env", "8888.5"),
    ],
    ids=["trop grand", "négatif", "énorme", "environnement", ".env"],
)
def test_bad_port(script: str, source: str, value: str, databases: dict[str, str], tmp_path: Path):
    """Un port impossible est une erreur d'usage qui nomme sa source, quelle qu'elle soit."""
    result = refused(script, "WS_PORT", source, value, tmp_path, **databases)
    message = result.errors.splitlines()[-1]
    assert result.code == 2 and result.output == "", message
    assert f"error: {source} : « {value} »" in message and "65535" in message, message


@each_server
def test_unknown_option(script: str, databases: dict[str, str]):
    """Une option inconnue, ou un mot de trop, est une erreur d'usage."""
    result = run(script, "--zut", "reste", **databases)
    assert result.code == 2 and "usage:" in result.errors and "--zut reste" in result.errors


@each_script
def test_help(script: str):
    """-h dit ce que fait le script, et ses options avec leurs valeurs par défaut."""
    result = run(script, "-h")
    assert result.code == 0 and result.errors == ""
    for word in "TP7", "--address", "127.0.0.1", "--port", "8888":
        assert word in result.output


@pytest.mark.parametrize("script", [I_3, II_2, II_3])
@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("SESSION_TTL dans l'environnement", "abc"),
        ("SESSION_TTL dans l'environnement", "99999999999"),
        ("SESSION_TTL dans le fichier .env", "0"),
    ],
)
def test_bad_session_ttl(
    script: str, source: str, value: str, databases: dict[str, str], tmp_path: Path
):
    """SESSION_TTL impossible : une erreur d'usage qui nomme sa source."""
    result = refused(script, "SESSION_TTL", source, value, tmp_path, **databases)
    assert result.code == 2 and f"error: {source} : « {value} »" in result.errors, result


# --- Ce qui empêche de démarrer --------------------------------------------------------------


@each_server
@pytest.mark.parametrize("address", [f"{NOWHERE}1", "a..b"])
def test_unknown_address(script: str, address: str, databases: dict[str, str]):
    """Une adresse qui n'est pas à cette machine : une phrase qui la nomme, et le remède."""
    check_sentence(run(script, "-a", address, **databases), address, "-a", "port 8888")


@each_server
def test_port_in_use(script: str, databases: dict[str, str], silent_host: int):
    """Un port déjà pris : une phrase qui le nomme, et le remède."""
    check_sentence(run(script, "-p", str(silent_host), **databases), str(silent_host), "-p")


@pytest.mark.parametrize("script", [II_2, II_3])
def test_redis_refuses(script: str):
    """Personne à l'adresse de Redis : une phrase qui la nomme, et le remède."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    check_sentence(run(script, REDIS_URL=url), url, "databases.py", "REDIS_URL")


@pytest.mark.parametrize("script", [II_2, II_3])
def test_redis_is_silent(script: str, silent_host: int):
    """Une adresse où rien ne répond : la même phrase, en moins de 5 s."""
    url = f"redis://127.0.0.1:{silent_host}/0"
    check_sentence(run(script, REDIS_URL=url), url, "databases.py", "REDIS_URL")


@pytest.mark.parametrize("script", [II_2, II_3])
def test_not_a_redis(script: str):
    """Un autre programme à l'adresse de Redis, ou une adresse mal écrite : la même phrase."""
    neighbour = Server(ECHO)
    try:
        for url in (
            neighbour.url.replace("ws", "redis"),
            "pas une adresse",
            "redis://127.0.0.1:abc/0",
            "http://127.0.0.1:6379",
        ):
            check_sentence(run(script, REDIS_URL=url), url, "databases.py", "REDIS_URL")
    finally:
        assert neighbour.stop() == 0


def test_redis_without_that_database(redis_url: str):
    """Un Redis qui refuse la base ou le mot de passe demandés : la même phrase."""
    for url in redis_url.replace("/0", "/4096"), redis_url.replace("//", "//ada:secret@"):
        check_sentence(run(II_2, REDIS_URL=url), "databases.py", "REDIS_URL")


@pytest.mark.parametrize("url", ["mongodb://", "mongodb://127.0.0.1:abc", "mongodb://h:1/a b"])
def test_not_a_mongo_address(url: str, redis_url: str):
    """MongoDB peut manquer au démarrage, mais une adresse mal écrite se dit en une phrase."""
    check_sentence(run(II_3, REDIS_URL=redis_url, MONGO_URL=url), url, "MONGO_URL")


@pytest.mark.parametrize("script", [II_2, II_3])
def test_ctrl_c_while_waiting_for_redis(script: str, silent_host: int):
    """Ctrl+C avant même d'écouter arrête le serveur sans traceback."""
    server = Process(sys.executable, ROOT / script, REDIS_URL=f"redis://127.0.0.1:{silent_host}/0")
    try:
        wait_for(lambda: connected_to(silent_host), "le serveur n'a pas appelé Redis")
        server.stop(signal.SIGINT)
        assert "Traceback" not in server.output, server.output
    finally:
        server.kill()


def connected_to(port: int) -> bool:
    """Dit si quelqu'un s'est connecté à ce port local (Linux le montre dans /proc)."""
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("pas de /proc/net/tcp : lance ce test sous Linux")
    rows = (line.split() for line in table.read_text().splitlines()[1:])
    return any(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


# --- Les signaux -----------------------------------------------------------------------------


def check_nothing_but_the_address(server: Server) -> None:
    """Un serveur n'a écrit que son adresse, et peut-être, une fois, que MongoDB n'est pas là."""
    first, *others = server.lines
    assert server.url in first and len(others) <= 1, server.output
    assert all(line.startswith("MongoDB ne répond pas") for line in others), server.output


@each_server
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signal(script: str, number: int, databases: dict[str, str]):
    """Chaque client lit 1001, même celui qui ne s'est pas présenté ; le serveur rend 0."""
    server = Server(script, **databases)
    try:
        people = [await Chatter.open(server.url, f"Hello|P{number}") for number in range(5)]
        for person in people:
            await person.until(lambda p=person: p.frames, "attend une réponse")
        stranger = await Chatter.open(server.url)
        stop = asyncio.create_task(asyncio.to_thread(server.stop, number))
        assert [await one.closed() for one in [*people, stranger]] == [1001] * 6
        assert await stop == 0
    finally:
        server.kill()
    assert "Traceback" not in server.output and "Error" not in server.output
    if script == ECHO:
        return
    check_nothing_but_the_address(server)
    if script != I_3:
        with Redis.from_url(databases["REDIS_URL"], decode_responses=True) as redis:
            states = [redis.hget(key, "connected") for key in redis.keys("session:*")]
            assert states == ["0"] * 5
            assert redis.zcard("online") == 0


@pytest.mark.parametrize("script", [II_2, II_3])
@pytest.mark.parametrize("messages", [1, 40])
async def test_stopped_while_people_talk(script: str, messages: int, databases: dict[str, str]):
    """Arrêté en pleine conversation, à quelque moment que ce soit, il rend toujours 0."""
    server = Server(script, **databases)
    try:
        people = [await Chatter.join(server.url, f"P{number}") for number in range(15)]
        talks = [asyncio.create_task(talk_until_closed(person)) for person in people]
        await people[0].until(lambda: len(people[0].messages) >= messages, "écoute")
        assert await asyncio.to_thread(server.stop) == 0
        await asyncio.gather(*talks)
    finally:
        server.kill()
    check_nothing_but_the_address(server)


async def talk_until_closed(chatter: Chatter) -> None:
    """Parle tant que la connexion est ouverte."""
    with suppress(ConnectionClosed):
        for number in count():
            await chatter.say(f"message {number}")
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("script", [I_3, II_2, II_3])
def test_second_ctrl_c(script: str, databases: dict[str, str]):
    """Un second Ctrl+C, à quelque moment que ce soit de la fin, n'y change rien."""
    for pause in 0.01, 0.03, 0.06, 0.1:
        server = Server(script, **databases)
        try:
            server.send_signal(signal.SIGINT)
            for _ in range(4):
                time.sleep(pause)
                if server.alive:
                    server.send_signal(signal.SIGINT)
            assert server.wait() == 0
        finally:
            server.kill()
        check_nothing_but_the_address(server)


@pytest.mark.parametrize("script", [II_2, II_3])
def test_stopped_with_a_half_open_connection(script: str, databases: dict[str, str]):
    """Une connexion qui n'a rien dit n'est pas une session : en partant, on n'en parle pas."""
    server = Server(script, **databases)
    try:
        with socket.create_connection(("127.0.0.1", server.port)):
            assert server.stop(timeout=15) == 0
    finally:
        server.kill()
    check_nothing_but_the_address(server)


@pytest.mark.parametrize("script", [I_3, II_2, II_3])
def test_stopped_at_once(script: str, databases: dict[str, str]):
    """Arrêté sitôt qu'il écoute, il rend 0 sans s'attarder."""
    for _ in range(3):
        server = Server(script, **databases)
        assert server.stop(timeout=5) == 0
