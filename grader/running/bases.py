"""Redis et MongoDB pour un rendu : neufs à chaque fois, observés commande par commande."""

import asyncio
import random
import re
import secrets
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Self

import bson
import redis
from pymongo import MongoClient

from databases import CannotStart, Database, MongoDatabase, RedisDatabase
from grader.clock import until
from grader.running.bounds import DISK
from grader.running.enclosure import current
from grader.verdict import Came, CouldNotRun, Remark

# Sous les ports que Linux et macOS prêtent aux connexions sortantes.
PORTS = range(20_000, 32_000)
# Ce que toute bibliothèque envoie d'elle-même : ce n'est pas encore parler à la base.
REDIS_COURTESY = {"HELLO", "CLIENT", "PING", "SELECT", "AUTH", "INFO", "COMMAND", "QUIT"}
MONGO_COURTESY = {"hello", "ismaster", "ping", "buildinfo", "endsessions", "saslstart"}
SYSTEM = ("admin", "config", "local")
REFUSED_MONGO = {"shutdown", "fsync"}
MESSAGE = 20_000_000  # octets d'un message pour MongoDB
OP_MSG = 2013
BROKEN = (struct.error, bson.errors.BSONError)  # ce n'est pas le protocole de MongoDB
LINKS = 100  # connexions d'un rendu à une base, à la fois
# Le compte du correcteur, ce que Redis peut prendre, et ce qu'un rendu n'a pas à y faire : joindre
# d'autres ports, éteindre, régler, espionner ou figer.
ADMIN = "correcteur"
STAYS = ("CLIENT", "NO-EVICT", "ON")  # le rendu peut faire chasser ses connexions, pas les nôtres
REDIS_LIMITS = {"maxmemory": "64mb", "maxmemory-clients": "64mb", "proto-max-bulk-len": "1mb",
                "busy-reply-threshold": "500", "appendonly": "no"}  # fmt: skip
REFUSED = ("acl", "bgrewriteaof", "bgsave", "client|kill", "client|pause", "cluster", "config",
           "debug", "failover", "migrate", "module", "monitor", "psync", "replicaof", "save",
           "shutdown", "slaveof", "sync")  # fmt: skip
NAMES = {command.partition("|")[0] for command in REFUSED}
ENDLESS = 20  # scripts sans fin à arrêter l'un après l'autre
MOST_KEYS = 2000  # d'une base, dans une photo
WORD = re.compile(rb'"((?:\\.|[^"\\])*)"')
ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.DOTALL)
ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}

# Passe d'un bout à l'autre ; vrai si c'est ce que demande le rendu.
Pump = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bool], Awaitable[None]]
Place = tuple[Any, ...]  # (base, clé[, champ])
Snapshot = dict[Place, object]

# Ce que contient une clé, selon sa sorte : son champ, s'il y en a -> sa valeur.
READERS: dict[bytes, Callable[[Any, bytes], Snapshot]] = {
    b"string": lambda client, key: {(): client.get(key)},
    b"hash": lambda client, key: {(name,): value for name, value in client.hgetall(key).items()},
    b"set": lambda client, key: {(member,): True for member in client.smembers(key)},
    b"zset": lambda client, key: {(one,): n for one, n in client.zrange(key, 0, -1, withscores=1)},
    b"list": lambda client, key: {(rank,): v for rank, v in enumerate(client.lrange(key, 0, -1))},
    b"stream": lambda client, key: {(one,): sorted(f.items()) for one, f in client.xrange(key)},
}


@dataclass
class RedisWatch:
    """Un Redis vide derrière un relais, ses commandes à mesure (`MONITOR`), et des photos.

    Le rendu n'y a pas tous les droits ; le correcteur y entre sous un nom à lui.
    """

    port: int  # celui du relais
    real: int
    commands: list[list[str]] = field(default_factory=list)
    ready = False
    _client: Any = None

    def start(self) -> Self:
        """Prend les pleins pouvoirs, puis en retire au rendu."""
        secret = secrets.token_hex()
        self._login = ("AUTH", ADMIN, secret)
        self._client = redis.Redis(
            host="127.0.0.1", port=self.real, single_connection_client=True, socket_timeout=20
        )
        for setting, value in REDIS_LIMITS.items():
            self._client.config_set(setting, value)
        rights = ("ACL", "SETUSER", ADMIN, "on", f">{secret}", "~*", "&*", "+@all")
        self._client.execute_command(*rights)
        self._client.execute_command(*self._login)
        self._client.execute_command(*STAYS)
        refused = [f"-{command}" for command in REFUSED]
        self._client.execute_command("ACL", "SETUSER", "default", *refused)
        connection: Any = self._client.connection
        self._ours = "{}:{}".format(*connection._sock.getsockname())
        return self

    async def listen(self) -> None:
        """Lit le flux de MONITOR jusqu'à l'annulation."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.real, limit=2**24)
        try:
            for words in (self._login, STAYS, ("MONITOR",)):
                writer.write(f"{' '.join(words)}\r\n".encode())
                await reader.readline()
            self.ready = True
            while line := await reader.readline():
                self._note(line)
        finally:
            writer.close()

    def _note(self, line: bytes) -> None:
        """`+1700000000.12 [0 127.0.0.1:5000] "SET" "cle" "valeur"`"""
        head, _, rest = line.partition(b"] ")
        words = [unescape(word) for word in WORD.findall(rest)]
        ours = head.rpartition(b" ")[2].decode("utf-8", "replace") in (self._ours, "lua")
        if not ours and words and words[0].upper() not in REDIS_COURTESY:
            self.commands.append(words)

    async def snapshot(self) -> Snapshot:
        """Tout ce que Redis contient : (base, clé[, champ]) -> valeur."""
        try:
            return await asyncio.to_thread(self._snapshot)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSY"):
                raise
        await asyncio.to_thread(self._free)
        return await asyncio.to_thread(self._snapshot)

    def _free(self) -> None:
        """Un script du rendu tourne sans fin et fige Redis : il n'en lancera plus."""
        current().cut(Remark.REFUSED_COMMAND, commands="EVAL")
        for _ in range(ENDLESS):
            for command in ("SCRIPT", "FUNCTION"):
                with suppress(redis.ResponseError):  # c'était l'autre, ou il vient de finir
                    self._client.execute_command(command, "KILL")
            with suppress(redis.ResponseError):  # un autre a commencé entre-temps
                self._client.execute_command("ACL", "SETUSER", "default", "-@scripting")
                return

    def _snapshot(self) -> Snapshot:
        photo: Snapshot = {}
        client = self._client
        for number in (base.removeprefix("db") for base in sorted(client.info("keyspace"))):
            client.execute_command("SELECT", number)
            for key in sorted(islice(client.scan_iter(count=1000), MOST_KEYS)):
                if read := READERS.get(client.type(key)):
                    held = read(client, key)
                    photo |= {(number, key, *field): held[field] for field in held}
                photo[(number, key, "expires")] = client.ttl(key) >= 0
        client.execute_command("SELECT", 0)
        return photo

    def stop(self) -> None:
        """Note ce que le rendu a demandé et n'a pas eu, puis s'en va."""
        with suppress(redis.RedisError):
            denied = {text_of(entry, "object") for entry in self._client.acl_log()}
            if commands := sorted(one.upper() for one in denied if one.partition("|")[0] in NAMES):
                current().cut(Remark.REFUSED_COMMAND, commands=", ".join(commands))
        self._client.close()


def text_of(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name, "")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def unescape(word: bytes) -> str:
    """Un mot comme MONITOR l'écrit entre guillemets."""
    return ESCAPE.sub(_plain, word).decode("utf-8", "replace")


def _plain(found: re.Match[bytes]) -> bytes:
    code = found[1]
    return bytes([int(code[1:], 16)]) if len(code) == 3 else ESCAPED.get(code, code)


def appeared(before: Snapshot, after: Snapshot) -> list[Place]:
    """Ce qui est né ou a changé entre deux photos ; un compteur qui bouge n'est pas une session."""

    def counts(value: object) -> bool:
        digits = isinstance(value, bytes) and value.lstrip(b"-").isdigit()
        return digits or isinstance(value, bool | float)

    born = [place for place in after if place not in before]
    changed = [p for p in after if p in before and before[p] != after[p] and not counts(after[p])]
    return born + changed


def gone_or_changed(footprint: list[Place], before: Snapshot, after: Snapshot) -> list[Place]:
    """Ce qui, de la trace laissée par une arrivée, a disparu ou changé depuis."""
    return [place for place in footprint if before.get(place) != after.get(place)]


def shown(place: Place) -> str:
    """Une clé (et son champ) comme on la lit dans redis-cli."""
    parts = [p.decode("utf-8", "replace") if isinstance(p, bytes) else str(p) for p in place[1:]]
    return " ".join(parts)


@contextmanager
def free_port() -> Iterator[int]:
    """Un port TCP libre ; le port UDP du même numéro, pris pour la durée du bloc, le réserve."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket(type=socket.SOCK_DGRAM) as claim:
            try:
                claim.bind(("127.0.0.1", port))
                socket.create_server(("127.0.0.1", port)).close()
            except OSError:
                continue
            yield port
            return


@asynccontextmanager
async def _started(kind: type[Database], scheme: str, absent: Came) -> AsyncIterator[int]:
    """Une base de cette sorte, pour la durée du bloc ; lève CouldNotRun si elle ne démarre pas."""
    with (
        free_port() as port,
        tempfile.TemporaryDirectory(prefix="tp7-", ignore_cleanup_errors=True) as folder,
    ):
        database = kind(f"{scheme}://127.0.0.1:{port}", Path(folder))
        try:
            await asyncio.to_thread(database.start)
            yield port
        except CannotStart as error:
            raise CouldNotRun(absent, error=str(error)) from None
        finally:
            await asyncio.to_thread(database.stop)


@asynccontextmanager
async def _relayed(real: int, pump: Pump) -> AsyncIterator[int]:
    """Le port d'un relais vers cette base, là où le rendu le joint, pour la durée du bloc."""
    links = asyncio.Semaphore(LINKS)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if links.locked():
            return writer.close()
        async with links:
            try:
                there_reader, there_writer = await asyncio.open_connection("127.0.0.1", real)
            except OSError:
                return writer.close()
            both = pump(reader, there_writer, True), pump(there_reader, writer, False)
            await asyncio.gather(*both)

    server = await asyncio.start_server(relay, sock=current().network.listener())
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: bool) -> None:
    """Passe tout, tel quel."""
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def fresh_redis() -> AsyncIterator[RedisWatch]:
    """Un Redis vide et observé, pour la durée du bloc ; lève CouldNotRun s'il n'y en a pas."""
    async with (
        _started(RedisDatabase, "redis", Came.NO_REDIS) as real,
        _relayed(real, _bytes) as port,
    ):
        watch = await asyncio.to_thread(RedisWatch(port, real).start)
        listener = asyncio.create_task(watch.listen())
        try:
            await until(lambda: watch.ready, 5)
            yield watch
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
            await asyncio.to_thread(watch.stop)


@dataclass
class MongoWatch:
    """Un MongoDB vide derrière un relais qui note le nom de chaque commande reçue.

    Il écrit sur le disque de qui note : ce qui passe est compté.
    """

    port: int  # celui du relais
    real: int
    commands: list[str] = field(default_factory=list)
    received: int = 0

    def contains(self, word: str) -> bool:
        """Vrai si un document, dans n'importe quelle collection, contient ce mot."""
        with MongoClient[dict[str, Any]]("127.0.0.1", self.real) as client:
            bases = [client[name] for name in client.list_database_names() if name not in SYSTEM]
            collections = [base[name] for base in bases for name in base.list_collection_names()]
            return any(word in repr(document) for each in collections for document in each.find())

    async def pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asking: bool
    ) -> None:
        """Passe les messages du protocole de MongoDB un à un, en notant ceux du client."""
        try:
            while True:
                head = await reader.readexactly(16)
                length, _, _, opcode = struct.unpack("<iiii", head)
                if not 16 < length <= MESSAGE:
                    break
                body = await reader.readexactly(length - 16)
                if asking and not self._allows(opcode, body):
                    break
                writer.write(head + body)
                await writer.drain()
        except (OSError, ValueError, IndexError, asyncio.IncompleteReadError, *BROKEN):
            pass
        finally:
            writer.close()

    def _allows(self, opcode: int, body: bytes) -> bool:
        """Note une commande du rendu ; faux s'il n'y a pas droit, ou en a trop écrit."""
        self.received += len(body)
        if self.received > DISK:
            current().cut(Remark.CUT_DISK, limit=str(DISK // 1_000_000))
            return False
        if opcode == OP_MSG and body[4] == 0:
            size = struct.unpack_from("<i", body, 5)[0]
            name = next(iter(bson.decode(body[5 : 5 + size])), "")
            if name.lower() in REFUSED_MONGO:
                current().cut(Remark.REFUSED_COMMAND, commands=name)
                return False
            if name.lower() not in MONGO_COURTESY:
                self.commands.append(name)
        return True


@asynccontextmanager
async def fresh_mongo() -> AsyncIterator[MongoWatch]:
    """Un MongoDB vide et observé, pour la durée du bloc ; lève CouldNotRun s'il n'y en a pas."""
    async with _started(MongoDatabase, "mongodb", Came.NO_MONGO) as real:
        watch = MongoWatch(0, real)
        async with _relayed(real, watch.pump) as watch.port:
            yield watch
