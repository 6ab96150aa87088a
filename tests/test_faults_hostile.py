"""Des octets et des textes hostiles : le serveur continue, rien de dangereux n'atteint personne."""

import asyncio
import re
import secrets
import socket
import time
import unicodedata
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis
from support.chat import SAID, Chatter, settle
from support.faults import forms, report
from support.processes import PATIENCE, Server
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

SCRIPTS = "ws_i_3_server.py", "ws_ii_2_server.py", "ws_ii_3_server.py"
STAMPED = re.compile(r"\[(\d\d/\d\d )?\d\d:\d\d\] ")
every_server = pytest.mark.parametrize("script", SCRIPTS)

BEFORE_HTTP = [
    b"",
    b"\x00" * 100,
    b"\xff\xfe\x80" * 1000,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # le début d'un TLS
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    b"GET /" + b"a" * 100_000,
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000,
    b"GET / HTTP/1.1\r\nHost: \xff\xff\r\nUpgrade: websocket\r\n\r\n",
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: court\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]
HALF_OPEN = b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgra"


def frame(opcode: int, data: bytes, fin: bool = True, mask: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=mask)


# Ce qu'on envoie une fois accepté, et le code de fermeture attendu (RFC 6455, section 7.4.1).
HOSTILE_FRAMES = {
    "binaire": (frame(Opcode.BINARY, b"\x00\x01"), 1003),
    "UTF-8 invalide": (frame(Opcode.TEXT, b"\xc3\x28"), 1007),
    "substitut isolé": (frame(Opcode.TEXT, b"\xed\xa0\x80"), 1007),
    "16 Mio": (frame(Opcode.TEXT, b"x" * 2**24), 1009),
    "16 Mio annoncés": (b"\x81\xff" + (2**24).to_bytes(8, "big") + b"abcd", 1009),
    "fragments sans fin": (
        frame(Opcode.TEXT, b"x", fin=False) + frame(Opcode.CONT, b"x" * 500, fin=False) * 50,
        1009,
    ),
    "fragments vides sans fin, puis un texte": (
        frame(Opcode.TEXT, b"x", fin=False)
        + frame(Opcode.CONT, b"", fin=False) * 5000
        + frame(Opcode.TEXT, b"y"),
        1002,
    ),
    "suite de rien": (frame(Opcode.CONT, b"x"), 1002),
    "sans masque": (frame(Opcode.TEXT, b"x", mask=False), 1002),
    "bit réservé": (b"\xc1\x80abcd", 1002),
    "opcode réservé": (b"\x83\x80abcd", 1002),
    "ping trop long": (b"\x89\xfe\x01\x00abcd" + b"x" * 256, 1002),
    "code de fermeture impossible": (frame(Opcode.CLOSE, b"\x03\xed"), 1002),
}


@pytest.fixture(scope="module")
def rooms(storage):
    """Les trois serveurs de la chatroom. Aucun ne doit écrire de trace d'erreur, ni tomber."""
    with ExitStack() as exits:
        redis, mongo = (exits.enter_context(one()) for one in (storage.redis, storage.mongo))
        servers = {}
        for script in SCRIPTS:
            # II.2 et II.3 ne sont pas la même salle : chacune sa base dans Redis.
            url = redis.url.replace("/0", f"/{SCRIPTS.index(script)}")
            servers[script] = Server(script, REDIS_URL=url, MONGO_URL=mongo.url)
            servers[script].redis_url = url
            exits.callback(servers[script].kill)
        yield servers
        for server in servers.values():
            assert server.alive, server.output
            assert server.stop() == 0, server.output
            assert server.lines[1:] == [], server.output


async def still_serves(url: str) -> None:
    """Deux personnes se parlent comme si de rien n'était."""
    listener = await Chatter.join(url, f"oreille {secrets.token_hex(4)}")
    speaker = await Chatter.join(url, f"bouche {secrets.token_hex(4)}")
    await speaker.say("tout va bien")
    await listener.hear("tout va bien")
    await speaker.leave()
    await listener.leave()


def dangerous(text: str) -> list[str]:
    """Les caractères de `text` qui ne doivent arriver à personne."""
    bad = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    return [c for c in text if unicodedata.category(c) in bad and c not in "\u200c\u200d"]


def check_lines(frames: list[str]) -> None:
    """Chaque ligne reçue est sûre, et commence comme le serveur commence les siennes."""
    for text in frames:
        for line in text.split("\n"):
            assert not dangerous(line), f"dans {line!r} : {dangerous(line)}"
            assert STAMPED.match(line) or line.startswith(("ID|", "Erreur : ")), line


def unstamped(line: str) -> str:
    """Une ligne sans son heure."""
    return line[STAMPED.match(line).end() :]


# --- Les octets --------------------------------------------------------------------------------


def throw(port: int, data: bytes) -> None:
    """Envoie des octets et s'en va ; le serveur a le droit de couper avant la fin."""
    with socket.create_connection(("127.0.0.1", port), timeout=10 * PATIENCE) as raw:
        try:
            raw.sendall(data)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(65536):
                pass
        except ConnectionError:
            pass


@every_server
@forms(examples=(50, 3000))
async def test_garbage_before_http(rooms, script, n):
    """N'importe quels octets à la place d'une requête HTTP ne font rien à personne."""
    server = rooms[script]

    @settings(max_examples=n.examples, deadline=None, database=None, derandomize=True)
    @given(st.binary(max_size=2000) | st.builds(b"GET ".__add__, st.binary(max_size=200)))
    def throw_anything(data: bytes) -> None:
        throw(server.port, data)

    def throw_everything() -> None:
        for data in BEFORE_HTTP:
            throw(server.port, data)
        throw_anything()

    await asyncio.to_thread(throw_everything)
    await still_serves(server.url)
    report(f"octets avant HTTP, {script}", envois=len(BEFORE_HTTP) + n.examples)


@forms(each=(30, 1000))
async def test_half_open(rooms, n):
    """Qui se connecte sans rien dire, ou à moitié, n'empêche personne, et est coupé en 10 s."""

    async def open_halves(server: Server) -> None:
        links = []
        for data in HALF_OPEN:
            for _ in range(n.each):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(data)
                links.append((reader, writer))
        silent = [await Chatter.open(server.url) for _ in range(n.each)]
        await still_serves(server.url)
        async with asyncio.timeout(20 * PATIENCE):
            for reader, _ in links:
                await reader.read()
        for one in silent:
            assert await one.closed() == 1008, one.summary()
            assert one.lines[-1].startswith("Erreur : rien reçu en 10 s"), one.lines
        for _, writer in links:
            writer.close()

    start = time.perf_counter()
    await asyncio.gather(*map(open_halves, rooms.values()))
    elapsed = time.perf_counter() - start
    report("connexions à moitié ouvertes", par_serveur=3 * n.each, coupées_en=f"{elapsed:.1f} s")


@every_server
async def test_hostile_frames(rooms, script, subtests):
    """Une trame interdite ferme sa connexion avec le code qui convient, et elle seule."""
    server = rooms[script]
    witness = await Chatter.join(server.url, "témoin des trames")
    for number, (name, (data, expected)) in enumerate(HOSTILE_FRAMES.items()):
        with subtests.test(name):
            pseudo = f"hostile {number}"
            one = await Chatter.join(server.url, pseudo)
            one.websocket.transport.write(data)
            code = await one.closed()
            assert code == expected, f"{name} : {code}"
            await witness.see(f"^Annonce : {pseudo} a quitté la chatroom$")
    await still_serves(server.url)
    assert witness.websocket.close_code is None
    await witness.leave()
    check_lines(witness.frames)
    report(f"trames hostiles, {script}", sortes=len(HOSTILE_FRAMES))


# --- Les textes --------------------------------------------------------------------------------

NASTY = [
    *"\n\r\t\0\a\b\v\f\x1b\x7f\x85\x9b\u2028\u2029|[]",
    *"\u200b\u200c\u200d\u200e\u200f\u202a\u202d\u202e\u2066\u2069\ufeff\u00ad\u061c",
    *"\u0300\u0338\u20e3\ufe0f\U000e0041\ue000\ufffe\U0010ffff\u3164\u2800\u00a0\u202f\u3000",
    *"éÅﷺ㍿🇫🇷👩",
    "\r\n",
    "\x1b[2J",
    "\x1b]0;titre\a",
    "ID|",
    "Hello|",
    "[12:00] Annonce : ",
    "Erreur : ",
    " a dit : ",
    "{pseudo}",
    "%s",
    "a\u0301" * 50,
]
hostile_text = st.lists(st.sampled_from(NASTY) | st.characters(codec="utf-8"), max_size=40).map(
    "".join
)
examples = {"deadline": None, "database": None, "derandomize": True}


def letters(text: str) -> str:
    """Ce qu'un nettoyage doit laisser : les lettres et les chiffres, décomposés."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFD", text)))


@every_server
@forms(examples=(40, 1000))
def test_hostile_messages(rooms, script, n):
    """Un message fait de n'importe quoi arrive en une ligne sûre, ses lettres intactes."""
    url, count = rooms[script].url, 0
    with asyncio.Runner() as runner:

        async def exchange(texts: list[str]) -> None:
            known = len(listener.frames)
            for number, text in enumerate(texts):
                await speaker.say(f"{number}:{text}")
            mark = f"marque {secrets.token_hex(8)}"
            await speaker.say(mark)
            await listener.hear(mark)
            check_lines(listener.frames[known:])
            lines = [line for text in listener.frames[known:] for line in text.split("\n")]
            heard = [SAID.match(unstamped(line))[2] for line in lines]
            expected = [f"{number}:{text}" for number, text in enumerate(texts)]
            assert list(map(letters, heard)) == list(map(letters, [*expected, mark]))

        @settings(max_examples=n.examples, **examples)
        @given(st.lists(hostile_text, max_size=30))
        def anything(texts: list[str]) -> None:
            nonlocal count
            count += len(texts)
            runner.run(exchange(texts))

        speaker = runner.run(Chatter.join(url, "bouche"))
        listener = runner.run(Chatter.join(url, "oreille"))
        runner.run(settle(listener, speaker))  # l'historique est passé
        anything()
        runner.run(speaker.leave())
        runner.run(listener.leave())
    report(f"messages hostiles, {script}", messages=count)


@every_server
@forms(examples=(60, 3000))
def test_hostile_pseudos(rooms, script, n):
    """Un pseudo fait de n'importe quoi est refusé en une phrase, ou montré sans danger."""
    url, accepted = rooms[script].url, 0
    with asyncio.Runner() as runner:

        async def present(text: str) -> bool:
            known = len(listener.frames)
            one = await Chatter.open(url, f"Hello|{text}")
            await one.until(lambda: one.frames, f"une réponse à {text!r}")
            check_lines(one.frames)
            if not one.session:
                assert await one.closed() == 1008, one.summary()
                return False
            await one.leave()
            await listener.until(
                lambda: "a quitté la chatroom" in "".join(listener.frames[known:]),
                f"l'arrivée et le départ de {text!r}",
            )
            lines = "\n".join(listener.frames[known:]).split("\n")
            check_lines(lines)
            assert len(lines) == 2, lines
            arrival = re.fullmatch("Annonce : (.*) a rejoint la chatroom", unstamped(lines[0]))
            assert letters(arrival[1]) == letters(text)
            return True

        @settings(max_examples=n.examples, **examples)
        @given(hostile_text | st.text(st.characters(codec="utf-8"), max_size=5))
        def anyone(text: str) -> None:
            nonlocal accepted
            accepted += runner.run(present(text))

        speaker = runner.run(Chatter.join(url, "bouche"))
        listener = runner.run(Chatter.join(url, "oreille"))
        runner.run(settle(listener, speaker))  # l'historique est passé
        anyone()
        runner.run(speaker.leave())
        runner.run(listener.leave())
    assert accepted, "aucun pseudo accepté : l'essai ne prouve rien"
    report(f"pseudos hostiles, {script}", essais=n.examples, acceptés=accepted)


@every_server
@forms(examples=(60, 3000))
def test_session_guesses(rooms, script, n):
    """Deviner une session ne mène nulle part, et n'écrit rien dans Redis."""
    server = rooms[script]
    guesses = hostile_text | st.sampled_from(
        ["", "*", "room", "online", "pseudos", "session:", ":"]
    )
    with asyncio.Runner() as runner, Redis.from_url(server.redis_url) as redis:

        async def guess(text: str) -> None:
            one = await Chatter.open(server.url, f"ID|{text}")
            assert await one.closed() == 4002, f"{text!r} : {one.summary()}"
            check_lines(one.frames)

        @settings(max_examples=n.examples, **examples)
        @given(guesses)
        def anyone(text: str) -> None:
            runner.run(guess(text))

        before = set(redis.keys())
        anyone()
        # Le groupe qui copie vers MongoDB peut créer le flux, vide, à tout moment.
        assert set(redis.keys()) - {b"room"} == before - {b"room"}
    report(f"sessions devinées, {script}", essais=n.examples, entrées=0)


@every_server
async def test_first_frames(rooms, script):
    """Une première trame qui n'est ni Hello| ni ID| est refusée en une phrase."""
    for first, expected in {
        "bonjour": 1008,
        "": 1008,
        "Hello": 1008,
        "ID": 1008,
        "hello|Léa": 1008,
        " Hello|Léa": 1008,
        "Hello|": 1008,
        "Hello|" + "x" * 8000: 1008,
        "Hello|" + "x" * 20_000: 1009,
        b"Hello|L\xc3\xa9a": 1003,
    }.items():
        one = await Chatter.open(rooms[script].url, first)
        assert await one.closed() == expected, f"{first[:20]!r} : {one.summary()}"
        check_lines(one.frames)


@every_server
async def test_origins(shared_redis, shared_mongo, script):
    """Avec ORIGINS, la page d'un autre site n'entre pas, un programme hors navigateur oui."""
    good = "https://tp.exemple.fr"
    databases = {"REDIS_URL": shared_redis, "MONGO_URL": shared_mongo}
    server = await asyncio.to_thread(Server, script, ORIGINS=good, **databases)
    try:
        for origin in "https://autre.exemple.fr", "null", f"{good}.pirate.fr", f"{good}:8080":
            with pytest.raises(InvalidStatus) as refusal:
                await Chatter.open(server.url, origin=origin)
            assert refusal.value.response.status_code == 403, origin
        await (await Chatter.join(server.url, "page", origin=good)).leave()
        await (await Chatter.join(server.url, "terminal")).leave()
        assert await asyncio.to_thread(server.stop) == 0
        assert server.lines[1:] == [], server.output
    finally:
        await asyncio.to_thread(server.kill)
