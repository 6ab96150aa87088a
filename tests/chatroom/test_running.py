"""Démarrer, dire ce qui se passe, s'arrêter : ce que voit qui fait tourner `python -m chatroom`."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import time
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest
from redis import Redis
from support.chat import Chatter
from support.processes import (
    PATIENCE,
    Process,
    Server,
    changed,
    command_of,
    refusal,
    wait_for,
)
from support.room import Room
from support.stage import eventually, stage
from support.storage import free_port
from websockets.exceptions import ConnectionClosed

NOWHERE = "203.0.113."  # aucune machine n'a ces adresses-là (RFC 5737)
NOBODY = "mongodb://127.0.0.1:1"


@pytest.fixture
def databases(redis_url: str) -> dict[str, str]:
    """Un Redis qui répond ; MongoDB n'est pas demandé au démarrage."""
    return {"REDIS_URL": redis_url, "MONGO_URL": NOBODY}


@pytest.fixture
def silent_port():
    """Un port où l'on peut se connecter, et où personne ne répond jamais."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


# --- Les réglages --------------------------------------------------------------------------------


def test_precedence(tmp_path: Path, program, databases):
    """Option, puis environnement, puis .env voisin du paquet, puis défaut ; vide, c'est absent."""
    copy = changed(tmp_path, program)
    (tmp_path / "ailleurs").mkdir()

    def target(*options: str, file: str = "", **env: str) -> tuple[str, str]:
        (tmp_path / ".env").write_text(file, encoding="utf-8-sig")
        with Process(*command_of(copy)[0], *options, cwd=tmp_path, **databases, **env) as process:
            return process.wait_line(r"sur (203\S+), port (\d+) ").groups()

    port = [str(free_port()) for _ in range(3)]
    option, file = (
        ("-a", f"{NOWHERE}2", "--port", port[0]),
        f"WS_HOST={NOWHERE}4\nWS_PORT={port[2]}",
    )
    env, empty = {"WS_HOST": f"{NOWHERE}3", "WS_PORT": port[1]}, {"WS_HOST": "", "WS_PORT": ""}
    assert target(*option, file=file, **env) == (f"{NOWHERE}2", port[0])
    assert target(file=file, **env) == (f"{NOWHERE}3", port[1])
    assert target("-a", "", "-p", "", file=file, **empty) == (f"{NOWHERE}4", port[2])
    assert target("-a", f"{NOWHERE}2", file="# rien\nWS_PORT=\n") == (f"{NOWHERE}2", "8888")


@pytest.mark.parametrize(
    ("options", "env", "words"),
    [
        (["-p", "65536"], {}, ["-p", "65536"]),
        (["-p", "9" * 5000], {}, ["-p", "65535"]),
        ([], {"WS_PORT": "abc"}, ["WS_PORT", "environnement", "abc"]),
        ([], {"SESSION_TTL": "0"}, ["SESSION_TTL", "environnement", "0"]),
        ([], {"SESSION_TTL": "99999999999"}, ["SESSION_TTL"]),
        ([], {"REDIS_URL": "pas une adresse"}, ["REDIS_URL", "redis://"]),
        ([], {"REDIS_URL": "http://127.0.0.1:6379"}, ["REDIS_URL", "redis://"]),
        ([], {"REDIS_URL": "redis://127.0.0.1:abc/0"}, ["REDIS_URL"]),
        ([], {"MONGO_URL": "mongodb://"}, ["MONGO_URL"]),
        ([], {"MONGO_URL": "mongodb://127.0.0.1:abc"}, ["MONGO_URL"]),
        (["--zut"], {}, ["--zut"]),
    ],
    ids=lambda value: " ".join(value)[:20] if value else "-",
)
def test_impossible_setting(program, databases, options, env, words):
    """Une valeur impossible est refusée par une phrase qui nomme sa source, code 2."""
    options = options if "-p" in options else ["-p", "", *options]
    sentence = refusal(program, *options, code=2, **databases | env)
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("REDIS_URL", "redis://:s3cret/x@127.0.0.1:6379/0"),
        ("REDIS_URL", "redis://ada:s3cret@127.0.0.1:1/0"),
        ("REDIS_URL", "redis://ada:s3cret@127.0.0.1:1/0?zut=1"),
        ("REDIS_URL", "redis://127.0.0.1:s3cret@1/0"),
        ("MONGO_URL", "mongodb://ada:s3cret:w@127.0.0.1:1/x"),
        ("MONGO_URL", "mongodb://ada:pa/s3cret@127.0.0.1:1"),
        ("MONGO_URL", "mongodb://ada:pa%zzs3cret@127.0.0.1:1"),
    ],
)
def test_passwords_stay_secret(program, databases, name, url):
    """Aucune phrase ne montre un mot de passe, ni un morceau d'un mot de passe mal écrit."""
    command, folder = command_of(program)
    env = databases | {name: url}
    with Process(*command, "-p", "0", cwd=folder, **env) as process:
        assert process.wait(15) in (1, 2)
    assert "Traceback" not in process.output and "s3cret" not in process.output, process.output
    assert name in process.output and process.lines[-1].endswith("."), process.output


async def test_password_of_mongo_in_the_log(redis_url, program, silent_port):
    """Ni le journal d'un serveur que MongoDB n'accueille pas."""
    url = f"mongodb://ada:s3cret@127.0.0.1:{silent_port}/x"
    async with Room(redis_url, url, program) as room:
        room.may_complain = True
        [server] = await room.add()
        await asyncio.to_thread(server.wait_line, "MongoDB ne répond pas", 20)
        assert "s3cret" not in server.output, server.output


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("WS_PORT: 9000\n", 1),
        ("# bien\nset WS_PORT=9000\n", 2),
        ("WS_HOST='127.0.0.1\nWS_PORT=1\n", 1),
    ],
)
def test_wrong_line_of_the_env_file(tmp_path, program, databases, content, line):
    """Une ligne de .env qui ne se lit pas : une phrase, et son numéro."""
    copy = changed(tmp_path, program)
    (tmp_path / ".env").write_text(content)
    sentence = refusal(copy, code=2, **databases)
    assert ".env" in sentence and str(line) in sentence, sentence


def test_env_file_of_another_encoding(tmp_path, program, databases):
    """Un .env que le PowerShell de Windows écrit en UTF-16 : une phrase, et le remède."""
    copy = changed(tmp_path, program)
    (tmp_path / ".env").write_text("WS_PORT=8889\n", encoding="utf-16")
    assert "UTF-8" in refusal(copy, code=2, **databases)


def test_help(program):
    """-h dit les options et leurs valeurs par défaut."""
    command, folder = command_of(program)
    done = subprocess.run([*command, "-h"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    for word in "--address", "127.0.0.1", "--port", "8888":
        assert word in done.stdout


# --- Ce qui empêche de démarrer ------------------------------------------------------------------


@pytest.mark.parametrize("address", [f"{NOWHERE}1", "a..b"])
def test_unknown_address(program, databases, address):
    """Une adresse qui n'est pas à cette machine : une phrase qui la nomme, et le remède."""
    sentence = refusal(program, "-a", address, **databases)
    assert address in sentence and "-a" in sentence, sentence


def test_port_in_use(program, databases, silent_port):
    """Un port déjà pris : une phrase qui le nomme, et le remède."""
    sentence = refusal(program, "-p", str(silent_port), **databases)
    assert str(silent_port) in sentence and "-p" in sentence, sentence


def test_no_redis(program, silent_port):
    """Personne à l'adresse de Redis, ou quelqu'un qui se tait, ou un autre : en moins de 5 s."""
    for port in free_port(), silent_port:
        sentence = refusal(program, REDIS_URL=f"redis://127.0.0.1:{port}/0", MONGO_URL=NOBODY)
        assert str(port) in sentence and "REDIS_URL" in sentence, sentence
        assert "databases.py" in sentence, sentence
    with Server("ws_i_1_server.py") as other:
        url = other.url.replace("ws://", "redis://")
        assert "REDIS_URL" in refusal(program, REDIS_URL=url, MONGO_URL=NOBODY)


def test_redis_says_no(program, redis_url):
    """Redis refuse la base de données ou le mot de passe demandés."""
    for url in (
        redis_url.replace("/0", "/4096"),
        redis_url.replace("//", "//ada:secret@"),
        redis_url.replace("//", "//:secret@"),
    ):
        sentence = refusal(program, REDIS_URL=url, MONGO_URL=NOBODY)
        assert "REDIS_URL" in sentence and "secret" not in sentence, sentence


def test_ctrl_c_while_waiting_for_redis(program, silent_port):
    """Ctrl+C avant même d'écouter arrête le serveur sans trace d'erreur."""
    command, folder = command_of(program)
    url = f"redis://127.0.0.1:{silent_port}/0"
    with Process(*command, "-p", "0", cwd=folder, REDIS_URL=url) as process:
        table = Path("/proc/net/tcp")
        called = re.compile(rf" \S+:{silent_port:04X} 01 ")
        wait_for(lambda: called.search(table.read_text()), "le serveur n'a pas appelé Redis")
        process.stop(signal.SIGINT)
    assert "Traceback" not in process.output, process.output


# --- Ce que l'on voit ----------------------------------------------------------------------------


def test_one_line_with_its_url(program, databases):
    """Une fois qu'il écoute vraiment, une ligne avec l'heure, le niveau et l'adresse."""
    port = free_port()
    with Server(program, port=port, **databases) as server:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        assert server.stop() == 0
    url = f"ws://127.0.0.1:{port}"
    assert server.url == url
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO "
    assert re.match(
        stamp + rf"Serveur à l'écoute sur {url} \(Ctrl\+C pour l'arrêter\)$", server.lines[0]
    )


@pytest.mark.skipif(not socket.has_ipv6, reason="pas d'IPv6 ici : rien à activer")
async def test_ipv6(program, databases):
    """Une adresse IPv6 s'écrit entre crochets dans l'URL, et l'URL marche."""
    with Server(program, address="::1", **databases) as server:
        assert re.fullmatch(r"ws://\[::1\]:\d+", server.url)
        await (await Chatter.join(server.url, "Ada")).leave()
        assert await asyncio.to_thread(server.stop) == 0


def ask(server: Server, path: str) -> tuple[int, str]:
    """Ce que répond le serveur à qui n'est pas un client : code HTTP et texte."""
    url = server.url.replace("ws://", "http://") + path
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=15) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.together
async def test_health(storage, program):
    """GET /health : 200 quand Redis répond, sinon 503 et la raison ; la salle n'en souffre pas."""
    async with stage(storage, program, servers=1) as room:
        [server] = room.servers
        assert (await asyncio.to_thread(ask, server, "/health"))[0] == 200
        ada, bob = await room.gather("Ada", "Bob")
        await asyncio.to_thread(room.redis.freeze)
        code, reason = await asyncio.to_thread(ask, server, "/health")
        assert code == 503 and "Redis" in reason, reason
        await asyncio.to_thread(room.redis.thaw)
        assert (await asyncio.to_thread(ask, server, "/health"))[0] == 200
        await asyncio.to_thread(room.redis.kill)
        code, reason = await asyncio.to_thread(ask, server, "/health")
        assert code == 503 and "Redis" in reason, reason
        await asyncio.to_thread(room.redis.start)
        await ada.say("toujours là")
        await bob.hear("toujours là", 20)
        assert (await asyncio.to_thread(ask, server, "/health"))[0] == 200
        assert (await asyncio.to_thread(ask, server, "/"))[0] == 426


# --- Une sortie qui s'en va ----------------------------------------------------------------------


@pytest.mark.together
async def test_output_that_goes_away(storage, program):
    """`| head -1`, puis de quoi se plaindre : personne n'est fermé."""
    async with stage(storage, program, servers=0) as room:
        command, folder = command_of(program)
        with Process(
            *("sh", "-c", '"$@" 2>&1 | head -1', "sh", *command, "-p", "0"),
            cwd=folder,
            **room.settings,
        ) as pipe:
            url = (await asyncio.to_thread(pipe.wait_line, r"ws://\S+"))[0]
            await two_talk_while_mongo_dies(room, url)


async def two_talk_while_mongo_dies(room, url: str) -> None:
    """MongoDB s'en va, revient, s'en va : autant de lignes que personne ne lit."""
    ada, bob = [await Chatter.join(url, pseudo) for pseudo in ("Ada", "Bob")]
    for turn in range(2):
        await asyncio.to_thread(room.mongo.kill)
        await ada.say(f"sans MongoDB {turn}")
        await asyncio.sleep(2.5)  # le temps qu'il s'en plaigne
        await bob.say(f"toujours là {turn}")
        await ada.hear(f"toujours là {turn}")
        await asyncio.to_thread(room.mongo.start)
        await room.until_copied()
    await ada.leave()
    await bob.leave()


@pytest.mark.together
async def test_full_pipe(storage, program):
    """Un lecteur figé, et son tuyau plein : de même, et le serveur s'arrête quand on le lui dit."""
    async with stage(storage, program, servers=0) as room, full_pipe() as pipe:
        command, folder = command_of(program)
        port = free_port()
        with Process(
            *command, "-p", str(port), cwd=folder, stdout=pipe, **room.settings
        ) as process:
            await eventually(lambda: listens(port), "n'écoute pas", 20)
            await two_talk_while_mongo_dies(room, f"ws://127.0.0.1:{port}")
            assert await asyncio.to_thread(process.stop) == 0


@asynccontextmanager
async def full_pipe():
    """Un tuyau où plus rien n'entre, et que personne ne lit."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    yield writing
    os.close(reading)
    os.close(writing)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_output_that_is_not_utf_8(redis_url, mongo_url, program):
    """Une sortie en cp1252 et un emoji : montré comme il peut l'être, et la salle parle."""
    async with Room(redis_url, mongo_url, program) as room:
        room.may_complain = True
        [server] = await room.add(PYTHONIOENCODING="cp1252")
        with Redis.from_url(redis_url) as redis:
            redis.xadd("{chatroom}:room", {"🦊": "🦊", "kind": "🦊"})
        ada, bob = await room.gather("Ada 🦊", "Bob")
        await ada.say("🦊")
        await bob.hear("🦊")
        assert server.alive


# --- S'arrêter -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signal(program, databases, number):
    """Chaque client lit 1001, même celui qui ne s'est pas présenté ; les départs sont notés ; le
    serveur rend 0."""
    with Server(program, **databases) as server:
        people = [await Chatter.join(server.url, f"P{number}") for number in range(5)]
        stranger = await Chatter.open(server.url)
        stop = asyncio.create_task(asyncio.to_thread(server.stop, number))
        assert [await one.closed() for one in [*people, stranger]] == [1001] * 6
        assert await stop == 0
    check_quiet(server)
    with Redis.from_url(databases["REDIS_URL"], decode_responses=True) as redis:
        states = [redis.hget(key, "connected") for key in redis.keys("{chatroom}:session:*")]
        assert states == ["0"] * 5
        assert not redis.exists("{chatroom}:online", "{chatroom}:pseudos")


def check_quiet(server: Server) -> None:
    """Un serveur n'a écrit que son adresse, et peut-être, une fois, que MongoDB n'est pas là."""
    first, *others = server.lines
    assert server.url in first and len(others) <= 1, server.output
    assert all("MongoDB ne répond pas" in line for line in others), server.output


async def test_nohup(program, databases):
    """Lancé par `nohup`, il survit à la fermeture de la fenêtre."""
    command, folder = command_of(program)
    with Process("nohup", *command, "-p", "0", cwd=folder, **databases) as process:
        url = (await asyncio.to_thread(process.wait_line, r"ws://\S+"))[0]
        ada = await Chatter.join(url, "Ada")
        process.send_signal(signal.SIGHUP)
        await (await Chatter.join(url, "Bob")).say("toujours là")
        await ada.hear("toujours là")
        assert await asyncio.to_thread(process.stop) == 0


@pytest.mark.parametrize("messages", [1, 40])
async def test_stopped_while_people_talk(redis_url, mongo_url, program, messages):
    """Arrêté en pleine conversation : tout ce qui est passé est dit, et il rend 0."""
    async with Room(redis_url, mongo_url, program) as room:
        first, second = await room.add(2)
        people = [await room.join(f"P{number}", first) for number in range(15)]
        witness = await room.join("témoin", second)
        sent: set[str] = set()
        talks = [asyncio.create_task(talk_until_closed(one, sent)) for one in people]
        await witness.until(lambda: len(witness.messages) >= messages, "écoute")
        assert await asyncio.to_thread(first.stop) == 0
        await asyncio.gather(*talks)
        for number in range(15):
            await witness.see(f"P{number} a quitté")
        with Redis.from_url(redis_url, decode_responses=True) as redis:
            stream = [entry for _, entry in redis.xrange("{chatroom}:room")]
        said = [entry["text"] for entry in stream if entry["kind"] == "say"]
        assert witness.messages == said and set(said) <= sent and len(set(said)) == len(said)


async def talk_until_closed(chatter: Chatter, sent: set[str]) -> None:
    """Parle tant que la connexion est ouverte."""
    with suppress(ConnectionClosed):
        for number in count():
            text = f"{number} de {chatter.session}"
            sent.add(text)
            await chatter.say(text)
            await asyncio.sleep(0.005)


@pytest.mark.together
async def test_stopped_without_redis(storage, program):
    """Redis figé à ce moment-là : 5 s, puis il dit combien de départs n'ont pas pu être notés, et
    rend 0 ; les survivants les annoncent à leur échéance."""
    async with stage(storage, program) as room:
        leaving, staying = room.servers
        for number in range(3):
            await room.join(f"P{number}", leaving)
        witness = await room.join("témoin", staying)
        room.redis.freeze()
        started = time.perf_counter()
        try:
            assert await asyncio.to_thread(leaving.stop, timeout=15) == 0, leaving.output
        finally:
            room.redis.thaw()
        assert time.perf_counter() - started < 8 * PATIENCE
        assert re.search(r"\b3 ", leaving.lines[-1]), leaving.output
        for number in range(3):
            await witness.see(f"P{number} a quitté", 30)


def test_second_ctrl_c(program, databases):
    """Un second Ctrl+C, à quelque moment que ce soit de la fin, n'y change rien."""
    for pause in 0.01, 0.03, 0.06, 0.1:
        with Server(program, **databases) as server:
            server.send_signal(signal.SIGINT)
            for _ in range(4):
                time.sleep(pause)
                if server.alive:
                    server.send_signal(signal.SIGINT)
            assert server.wait() == 0
        check_quiet(server)


def test_stopped_with_a_half_open_connection(program, databases):
    """Une connexion qui n'a rien dit n'est pas une session : en partant, on n'en parle pas."""
    with (
        Server(program, **databases) as server,
        socket.create_connection(("127.0.0.1", server.port)),
    ):
        assert server.stop(timeout=15) == 0
    check_quiet(server)
