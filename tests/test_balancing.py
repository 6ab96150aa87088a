"""Deux chatroom derrière HAProxy ou nginx, réglés comme le disent docs/ et compose.yaml."""

import asyncio
import re
import shlex
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from redis import Redis
from support.chat import Chatter
from support.processes import ROOT, Process, Server, missing
from support.room import Room
from support.storage import Private, free_port
from websockets.exceptions import WebSocketException

FOLDER = ROOT / "docs/several"
COMMANDS = {
    "haproxy.cfg": "haproxy -W -f haproxy.cfg",
    "nginx.conf": "nginx -e stderr -p . -c nginx.conf -g 'daemon off; pid pid;'",
}


@pytest.fixture
async def room(redis_url: str, mongo_url: str):
    async with Room(redis_url, mongo_url) as room:
        yield room


@pytest.fixture
def pair(room: Room) -> list[Server]:
    return [room.start(), room.start()]


@contextmanager
def balance(name: str, servers: list[Server], folder: Path) -> Iterator[tuple[str, Process]]:
    """Lance HAProxy ou nginx devant ces serveurs ; donne l'adresse commune, et le processus."""
    command = shlex.split(COMMANDS[name])
    if reason := missing(command[0]):
        pytest.skip(reason)
    text = (FOLDER / name).read_text()
    for number, server in enumerate(servers, 1):
        text = text.replace(f"chat-{number}:8888", f"127.0.0.1:{server.port}")
    port = free_port()
    (folder / name).write_text(re.sub(r"(bind|listen) :?8888", rf"\1 127.0.0.1:{port}", text))
    process = Process(*command, cwd=folder)
    try:
        yield f"ws://127.0.0.1:{port}", process
    finally:
        process.kill()


@pytest.fixture(params=COMMANDS)
def front(request: pytest.FixtureRequest, pair: list[Server], tmp_path: Path) -> Iterator[str]:
    with balance(request.param, pair, tmp_path) as (url, _):
        yield url


async def enter(room: Room, front: str, first: str) -> Chatter:
    """Entre par l'adresse commune, dès qu'elle répond."""
    async with asyncio.timeout(20):
        while True:
            try:
                chatter = await Chatter.open(front, first)
                break
            except (OSError, WebSocketException):
                await asyncio.sleep(0.05)
    room.people.append(chatter)
    await chatter.until(lambda: chatter.frames, f"{first} attend d'être accepté")
    return chatter


def whereabouts(redis_url: str, people: list[Chatter]) -> list[str]:
    """Le serveur de chacun, d'après Redis."""
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        return [redis.hget(f"{{chatroom}}:session:{person.session}", "server") for person in people]


async def test_one_address(room: Room, front: str, redis_url: str):
    """Dix personnes par une adresse : cinq sur chaque serveur, et une seule salle."""
    people = [await enter(room, front, f"Hello|P{number}") for number in range(10)]
    assert sorted(Counter(whereabouts(redis_url, people)).values()) == [5, 5]
    await people[0].say("bonjour à tous")
    await asyncio.gather(*(person.hear("bonjour à tous") for person in people[1:]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["arrêté", "tué"])
async def test_a_server_leaves(room: Room, pair: list[Server], front: str, redis_url: str, number):
    """Un serveur s'en va : les siens reviennent par la même adresse, chez l'autre.

    Aucune affinité n'y sert : leur session est dans Redis.
    """
    people = [await enter(room, front, f"Hello|P{number}") for number in range(4)]
    leaving, staying = (f"127.0.0.1:{server.port}" for server in pair)
    placed = list(zip(people, whereabouts(redis_url, people), strict=True))
    gone = [person for person, server in placed if server == leaving]
    assert len(gone) == 2
    await asyncio.to_thread(pair[0].stop, number)
    for person in gone:
        await person.closed()
    back = [await enter(room, front, f"ID|{person.session}") for person in gone]
    assert all(person.lines[0].startswith("Welcome back") for person in back)
    assert whereabouts(redis_url, gone) == [staying, staying]
    await back[0].say("me revoilà")
    stayed = [person for person, server in placed if server == staying]
    await asyncio.gather(*(person.hear("me revoilà") for person in [back[1], *stayed]))


async def test_redis_away(private_redis: Private, mongo_url: str, tmp_path: Path):
    """Redis se tait : HAProxy n'envoie plus personne, mais ne coupe pas ceux qui attendent."""
    async with Room(private_redis.url, mongo_url) as room:
        room.may_complain = True
        pair = await room.add(2)
        with balance("haproxy.cfg", pair, tmp_path) as (url, haproxy):
            people = [await enter(room, url, f"Hello|P{number}") for number in range(4)]
            private_redis.freeze()
            for name in "un", "deux":
                await asyncio.to_thread(haproxy.wait_line, f"serveurs/{name} is DOWN")
            await people[0].say("en attendant")
            private_redis.thaw()
            await asyncio.gather(*(person.hear("en attendant") for person in people[1:]))


class Names(asyncio.DatagramProtocol):
    """Un DNS comme celui de Docker : une seule adresse, qui change, pour un seul nom (RFC 1035)."""

    address = "127.0.0.2"  # personne n'y écoute

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, query: bytes, asker: tuple[str, int]) -> None:
        end = query.index(0, 12) + 5  # la question : un nom, deux octets de type, deux de classe
        known = query[12:].startswith(b"\6chat-2") and query[end - 4 : end - 2] == b"\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + ip_address(self.address).packed
        header = query[:2] + b"\x81\x80\0\1" + bytes([0, known]) + bytes(4)
        self.transport.sendto(header + query[12:end] + known * answer, asker)


async def test_haproxy_follows_containers(room: Room, tmp_path: Path):
    """HAProxy démarre sans l'un des serveurs, et suit l'autre quand il change d'adresse."""
    if reason := missing("haproxy"):
        pytest.skip(reason)
    loop = asyncio.get_running_loop()
    transport, names = await loop.create_datagram_endpoint(Names, ("127.0.0.1", 0))
    dns, port = transport.get_extra_info("sockname")[1], free_port()
    text = (FOLDER / "haproxy.cfg").read_text().replace("127.0.0.11:53", f"127.0.0.1:{dns}")
    text = re.sub(r"(chat-\d):8888", rf"\1.invalid:{room.start().port}", text)
    (tmp_path / "haproxy.cfg").write_text(text.replace("bind :8888", f"bind 127.0.0.1:{port}"))
    haproxy = Process(*shlex.split(COMMANDS["haproxy.cfg"]), cwd=tmp_path)
    try:
        await asyncio.to_thread(haproxy.wait_line, "serveurs/deux is DOWN")
        names.address = "127.0.0.1"
        await enter(room, f"ws://127.0.0.1:{port}", "Hello|Ada")
    finally:
        haproxy.kill()
        transport.close()


def test_compose_runs_these_settings():
    """Le profil « several » de compose.yaml lance HAProxy avec ce réglage, devant ces serveurs."""
    services = (ROOT / "compose.yaml").read_text().partition("# --- Plusieurs serveurs")[2]
    assert "./docs/several/haproxy.cfg:" in services
    for name in COMMANDS:
        servers = re.findall(
            r"^ +server .*?([\w-]+):8888", (FOLDER / name).read_text(), re.MULTILINE
        )
        assert servers == ["chat-1", "chat-2"]
        assert all(f"\n  {server}:" in services for server in servers)
