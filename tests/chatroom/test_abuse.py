"""Des clients qui abusent : la salle continue, et rien de dangereux n'atteint personne."""

import asyncio
import re
import resource
import secrets
import socket
import sys
import time
import unicodedata
from contextlib import ExitStack, suppress
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis
from support.chat import SAID, Chatter, settle
from support.costs import deaf_client, memory, memory_growth
from support.crowd import Crowd, check_exact, in_ms, lost_and_doubled, percentile
from support.forms import forms, report
from support.processes import PATIENCE, Process, Server, command_of, refusal, wait_for
from support.room import Room
from support.stage import stage
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

LEFT = "{} a quitté la chatroom"
STAMPED = re.compile(r"\[(\d\d/\d\d )?\d\d:\d\d\] ")


# --- Trop, ou trop peu ---------------------------------------------------------------------------


# Ici et plus bas, la forme courte tourne au milieu d'autres tests, qui prennent le processeur quand
# ils veulent : elle compte, et ne juge ni latence ni mémoire. La longue, seule, les juge.
@forms(
    short={"padding": 1900, "seconds": 5, "limit": 20, "margin": inf, "growth": inf},
    long={"padding": 1900, "seconds": 10, "limit": 30, "margin": 0, "growth": 10},
)
async def test_deaf(storage, program, padding, seconds, limit, margin, growth):
    """Qui ne lit jamais est écarté, sans gêner les autres ni remplir la mémoire."""
    async with stage(storage, program, servers=1) as room:
        [server] = room.servers
        crowd = Crowd(room)
        await crowd.arrive(server, *(f"auteur {number}" for number in range(4)))
        witness = await room.join("témoin")
        crowd.start(50, padding=" " + "é" * padding if padding else "")
        await asyncio.sleep(seconds)
        calm = crowd.latencies(witness, until=time.perf_counter() - 0.5)
        grown_since = memory_growth(server)
        arrival = time.perf_counter()
        await deaf_client(room, "Hello|sourd")

        def gone() -> bool:
            return witness.announced(LEFT.format("sourd")) == 1

        with suppress(AssertionError):  # la latence d'abord : c'est elle qui dit le plus
            await witness.until(gone, "le sourd est parti", limit)
        left = time.perf_counter() - arrival
        disturbed = crowd.latencies(witness, arrival, time.perf_counter() - 0.5)
        before, after = percentile(calm, 99), percentile(disturbed, 99)
        limits = 2 * before + margin
        assert after < limits, f"p99 de {in_ms(before)} à {in_ms(after)} à cause du sourd"
        grown = grown_since()
        assert gone(), f"après {limit} s le sourd est encore là, et coûte {grown:.1f} Mo"
        assert grown < growth, f"la mémoire du serveur a grandi de {grown:.1f} Mo"
        await crowd.end(witness)
        check_exact(room.said(), witness.messages)
    report("sourd", parti_en=f"{left:.1f} s", mémoire=f"+{grown:.1f} Mo", p99=in_ms(after))


@pytest.mark.endurance
async def test_deaf_to_short_messages(storage, program):
    """Des messages courts n'emplissent que le noyau : c'est alors le ping qui écarte le sourd."""
    await test_deaf(storage, program, padding=0, seconds=10, limit=60, margin=0, growth=10)


FLOODER = """
import sys, time
from contextlib import suppress
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
url, seconds = sys.argv[1], float(sys.argv[2])
with connect(url, proxy=None, max_queue=None) as websocket:
    websocket.send("Hello|bavard")
    websocket.recv()
    end, count = time.monotonic() + seconds, 0
    with suppress(ConnectionClosed):
        while time.monotonic() < end:
            websocket.send(f"bla {count}")
            count += 1
    print("envoyés", count, flush=True)
"""


@forms(short={"seconds": 2, "bound": inf}, long={"seconds": 30, "bound": 0.25})
async def test_flooder(storage, program, seconds, bound):
    """Qui parle aussi vite qu'il peut ne ralentit pas les autres, et ne leur fait rien perdre."""
    async with stage(storage, program, servers=1) as room:
        [server] = room.servers
        crowd = Crowd(room)
        await crowd.arrive(server, *(f"auteur {number}" for number in range(10)))
        witness = await room.join("témoin")
        crowd.start(5)
        await witness.until(lambda: len(witness.messages) > 50, "le trafic")
        with Process(sys.executable, "-c", FLOODER, server.url, str(seconds)) as flood:
            await witness.hear("bla 0")
            began = time.perf_counter()
            await asyncio.to_thread(flood.wait_line, "envoyés", seconds + 30)
            ended = time.perf_counter()
        await crowd.end(witness)
        theirs = [text for text in witness.messages if text.startswith("auteur")]
        lost, doubled = lost_and_doubled(crowd.sent, theirs)
        assert not lost and not doubled, f"{len(lost)} perdus, {len(doubled)} doublés"
        p99 = percentile(crowd.latencies(witness, began, ended), 99)
        assert p99 < bound, f"p99 des autres : {in_ms(p99)}"
        passed = sum(text.startswith("bla") for text in witness.messages)
    report("bavard", par_seconde=round(passed / (ended - began)), p99=in_ms(p99), perdus=0)


@forms(short={"connections": 100}, long={"connections": 2000})
async def test_idle(storage, program, connections):
    """Une connexion qui ne dit rien coûte peu."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    async with stage(storage, program, servers=1) as room:
        [server] = room.servers
        await (await room.join("premier")).leave()
        before = memory(server)

        async def arrive(number: int):
            websocket = await connect(server.url, proxy=None, compression=None)
            await websocket.send(f"Hello|calme {number}")
            assert (await websocket.recv()).startswith("ID|")
            return websocket, asyncio.create_task(ignore(websocket))

        people = []
        for first in range(0, connections, 50):
            people += await asyncio.gather(*map(arrive, range(first, first + 50)))
        each = (memory(server) - before) / connections * 1024
        assert all(one.close_code is None for one, _ in people), "des connexions se sont fermées"
        assert each < 100, f"{each:.0f} Kio par connexion"
        for one, _ in people:
            one.transport.abort()
        await asyncio.gather(*(reader for _, reader in people))
    report("connexions calmes", connexions=connections, chacune=f"{each:.0f} Kio")


async def ignore(websocket) -> None:
    with suppress(ConnectionClosed):
        async for _ in websocket:
            pass


async def test_out_of_descriptors(redis_url, mongo_url, program):
    """Plus un descripteur de libre : on le dit une fois, la salle parle, et la place revient."""
    command, folder = command_of(program)
    few = "sh", "-c", 'ulimit -n 100; exec "$@"', "sh"
    settings = {"REDIS_URL": redis_url, "MONGO_URL": mongo_url}
    with Process(*few, *command, "-p", "0", cwd=folder, **settings) as server:
        url = (await asyncio.to_thread(server.wait_line, r"ws://\S+"))[0]
        port = int(url.rsplit(":", 1)[1])
        ada, bob = [await Chatter.join(url, pseudo) for pseudo in ("Ada", "Bob")]
        await settle(bob, ada)
        with ExitStack() as crowd:
            for _ in range(150):
                crowd.enter_context(socket.create_connection(("127.0.0.1", port)))
            for number in range(20):
                await ada.say(f"encore {number}")
                await bob.hear(f"encore {number}")
                await asyncio.sleep(0.05)
        await asyncio.to_thread(server.wait_line, "descripteurs")
        async with asyncio.timeout(20 * PATIENCE):
            late = None
            while not late:  # 503, tant que le système n'a pas rendu ce qui vient d'être fermé
                with suppress(InvalidStatus):
                    late = await Chatter.join(url, "Zoé", open_timeout=None)
        await late.say("une place")
        await bob.hear("une place")
        assert await asyncio.to_thread(server.stop) == 0
        assert len(server.lines) < 5 and "Traceback" not in server.output, server.output


# --- Les octets ----------------------------------------------------------------------------------

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
FIRST_FRAMES = {
    "bonjour": 1008,
    "": 1008,
    "Hello": 1008,
    "ID": 1008,
    "hello|Léa": 1008,
    " Hello|Léa": 1008,
    "Hello|": 1008,
    "Hello|[12:00] Annonce : moi": 1008,
    "Hello|Annonce : moi": 1008,
    "Hello|Erreur : moi": 1008,
    "Hello|Zoé a dit : moi": 1008,
    "Hello|" + "x" * 33: 1008,
    "Hello|" + "x" * 8000: 1008,
    "Hello|" + "x" * 20_000: 1009,
    b"Hello|L\xc3\xa9a": 1003,
    "ID|": 4002,
}


@pytest.fixture(scope="module")
def server(storage, program):
    """Un serveur que rien de ce qui suit ne doit arrêter, ni faire écrire une ligne."""
    with (
        storage.redis() as redis,
        storage.mongo() as mongo,
        Server(program, REDIS_URL=redis.url, MONGO_URL=mongo.url) as server,
    ):
        server.redis_url = redis.url
        yield server
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


def throw(port: int, data: bytes) -> None:
    """Envoie des octets et s'en va ; le serveur a le droit de couper avant la fin."""
    with socket.create_connection(("127.0.0.1", port), timeout=10 * PATIENCE) as raw:
        with suppress(ConnectionError):
            raw.sendall(data)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(65536):
                pass


def invent(examples: int):
    """Les réglages d'hypothesis pour tant d'essais, les mêmes à chaque fois."""
    return settings(max_examples=examples, deadline=None, database=None, derandomize=True)


@forms(short={"examples": 50}, long={"examples": 3000})
async def test_garbage_before_http(server, examples):
    """N'importe quels octets à la place d'une requête HTTP ne font rien à personne."""

    @invent(examples)
    @given(st.binary(max_size=2000) | st.builds(b"GET ".__add__, st.binary(max_size=200)))
    def throw_anything(data: bytes) -> None:
        throw(server.port, data)

    def throw_everything() -> None:
        for data in BEFORE_HTTP:
            throw(server.port, data)
        throw_anything()

    await asyncio.to_thread(throw_everything)
    await still_serves(server.url)


@forms(short={"each": 30}, long={"each": 1000})
async def test_half_open(server, each):
    """Qui se connecte sans rien dire, ou à moitié, n'empêche personne, et est coupé en 10 s."""
    links = []
    for data in HALF_OPEN:
        for _ in range(each):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(data)
            links.append((reader, writer))
    silent = [await Chatter.open(server.url) for _ in range(each)]
    await still_serves(server.url)
    async with asyncio.timeout(20 * PATIENCE):
        for reader, _ in links:
            await reader.read()
    for one in silent:
        assert await one.closed() == 1008, one.summary()
        assert one.lines[-1].startswith("Erreur : "), one.lines
    for _, writer in links:
        writer.close()


async def test_first_frames(server):
    """Une première trame qui n'est pas celle qu'il faut est refusée en une phrase."""
    for first, expected in FIRST_FRAMES.items():
        one = await Chatter.open(server.url, first)
        assert await one.closed() == expected, f"{first[:40]!r} : {one.summary()}"
        assert expected == 1009 or one.lines[-1].startswith("Erreur : "), one.summary()


async def test_hostile_frames(server, subtests):
    """Une trame interdite ferme sa connexion avec le code qui convient, et elle seule."""
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
    await witness.leave()
    check_lines(witness.frames)


async def test_refused_messages(server):
    """Un message trop long reçoit une erreur, un message vide rien ; la connexion reste. Une trame
    vide reçoit une trame vide : un navigateur ne sait pas envoyer de ping."""
    ada, bob = [await Chatter.join(server.url, pseudo) for pseudo in ("Ada", "Bob")]
    await settle(bob, ada)
    await ada.see("Bob a rejoint")
    ada.forget()
    bob.forget()
    for text in "x" * 2001, " \t\x00 ", "", "é" * 2000:
        await ada.say(text)
    await bob.hear("é" * 2000)
    assert bob.messages == ["é" * 2000]
    await ada.until(lambda: len(ada.frames) == 2, "attend deux réponses")
    assert [frame[:9] for frame in ada.frames] == ["Erreur : ", ""]
    await ada.leave()
    await bob.leave()


# --- Les textes ----------------------------------------------------------------------------------

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


def letters(text: str) -> str:
    """Ce qu'un nettoyage doit laisser : les lettres et les chiffres, décomposés."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text)))


@pytest.fixture
def pair(server):
    """Une boucle asyncio pour hypothesis, qui n'en a pas, et deux personnes en conversation."""
    with asyncio.Runner() as runner:
        speaker = runner.run(Chatter.join(server.url, "bouche"))
        listener = runner.run(Chatter.join(server.url, "oreille"))
        runner.run(settle(listener, speaker))  # l'historique est passé
        listener.forget()
        yield runner, speaker, listener
        runner.run(speaker.leave())
        runner.run(listener.leave())


@forms(short={"examples": 40}, long={"examples": 1000})
def test_hostile_messages(pair, examples):
    """Un message fait de n'importe quoi arrive en une ligne sûre, ses lettres intactes."""
    runner, speaker, listener = pair

    async def exchange(texts: list[str]) -> None:
        listener.forget()
        expected = [f"{number}:{text}" for number, text in enumerate(texts)]
        expected.append(f"marque {secrets.token_hex(8)}")
        for text in expected:
            await speaker.say(text)
        await listener.hear(expected[-1])
        check_lines(listener.frames)
        assert all(SAID.match(line) for line in listener.lines), listener.lines
        assert list(map(letters, listener.messages)) == list(map(letters, expected))

    @invent(examples)
    @given(st.lists(hostile_text, max_size=30))
    def anything(texts: list[str]) -> None:
        runner.run(exchange(texts))

    anything()


@forms(short={"examples": 60}, long={"examples": 3000})
def test_hostile_pseudos(server, pair, examples):
    """Un pseudo fait de n'importe quoi est refusé en une phrase, ou montré sans danger."""
    runner, _, listener = pair
    accepted = 0

    async def present(text: str) -> bool:
        listener.forget()
        one = await Chatter.open(server.url, f"Hello|{text}")
        await one.until(lambda: one.frames, f"une réponse à {text!r}")
        check_lines(one.frames)
        if not one.session:
            assert await one.closed() == 1008, one.summary()
            return False
        await one.leave()
        await listener.until(
            lambda: len(listener.lines) == 2, f"l'arrivée et le départ de {text!r}"
        )
        check_lines(listener.frames)
        arrival = re.fullmatch("Annonce : (.*) a rejoint la chatroom", listener.lines[0])
        assert letters(arrival[1]) == letters(text)
        assert listener.lines[1] == f"Annonce : {LEFT.format(arrival[1])}"
        return True

    @invent(examples)
    @given(hostile_text | st.text(st.characters(codec="utf-8"), max_size=5))
    def anyone(text: str) -> None:
        nonlocal accepted
        accepted += runner.run(present(text))

    anyone()
    assert accepted, "aucun pseudo accepté : l'essai ne prouve rien"


LOOK_ALIKES = "a\u200dna ana\u200c ana\ufe0f a\u034fna ana\u3164 ana\u2800 ana\U000e0100 ana\u200b"


async def test_look_alikes(server):
    """Ce qui se lit « ana » à l'écran n'entre pas à côté d'ana (RFC 8266)."""
    ana = await Chatter.join(server.url, "ana")
    for same in "ana", "ANA", "ａｎａ", " ana ", "a\u0301na":
        one = await Chatter.open(server.url, f"Hello|{same}")
        if same == "a\u0301na":  # un accent se voit : c'est quelqu'un d'autre
            await one.until(lambda who=one: who.session, "entre")
            await one.leave()
        else:
            assert await one.closed() == 4003, f"{same!r} : {one.summary()}"
    for invisible in LOOK_ALIKES.split(" "):
        one = await Chatter.open(server.url, f"Hello|{invisible}")
        assert await one.closed() in (1008, 4003), f"{invisible!r} : {one.summary()}"
        assert one.lines[0].startswith("Erreur : "), one.lines
    for fine in "Zoé", "Jean-Luc", "Ali 🦊", "小明", "Ольга", "d'Artagnan", "R2-D2":
        await (await Chatter.join(server.url, fine)).leave()
    await ana.leave()


@forms(short={"examples": 60}, long={"examples": 3000})
def test_session_guesses(server, examples):
    """Deviner une session ne mène nulle part, et n'écrit rien dans Redis."""
    known = ["", "*", "room", "online", "pseudos", "session:", ":", "{chatroom}:room", "}"]
    with asyncio.Runner() as runner, Redis.from_url(server.redis_url) as redis:

        async def guess(text: str) -> None:
            one = await Chatter.open(server.url, f"ID|{text}")
            assert await one.closed() == 4002, f"{text!r} : {one.summary()}"
            check_lines(one.frames)

        @invent(examples)
        @given(hostile_text | st.sampled_from(known))
        def anyone(text: str) -> None:
            runner.run(guess(text))

        wait_for(lambda: not redis.exists("{chatroom}:online"), "les essais d'avant sont partis")
        before = set(redis.keys())
        anyone()
        # Le groupe qui copie vers MongoDB peut créer le flux, vide, à tout moment.
        assert set(redis.keys()) - {b"{chatroom}:room"} == before - {b"{chatroom}:room"}


# --- Les pages d'ailleurs ------------------------------------------------------------------------


async def test_origins(redis_url, mongo_url, program):
    """Avec ORIGINS, la page d'un autre site n'entre pas, un programme hors navigateur oui."""
    good = "https://tp.exemple.fr"
    async with Room(redis_url, mongo_url, program) as room:
        [server] = await room.add(ORIGINS=f"{good} http://localhost:8000")
        for origin in "https://autre.exemple.fr", "null", f"{good}.pirate.fr", f"{good}:8080":
            with pytest.raises(InvalidStatus) as refused:
                await Chatter.open(server.url, origin=origin)
            assert refused.value.response.status_code == 403, origin
        for origin in good, "http://localhost:8000", None:
            await room.join(f"de {origin}"[:32], origin=origin)


@pytest.mark.parametrize(
    "origins",
    ["*", "https://tp.fr/", "tp.fr", "https://a.fr;https://b.fr", "https://tp.fr/page"],
)
def test_origins_that_are_not(redis_url, program, origins):
    """Une origine qui n'en est pas une est refusée au départ, avec ce qui va."""
    sentence = refusal(program, code=2, REDIS_URL=redis_url, ORIGINS=origins)
    assert "ORIGINS" in sentence and "http" in sentence, sentence
