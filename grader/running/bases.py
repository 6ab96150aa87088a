"""Redis et MongoDB pour un rendu : neufs à chaque fois, observés commande par commande."""

import asyncio
import random
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import bson
import redis
from pymongo import MongoClient

from databases import CannotStart, Database, MongoDatabase, RedisDatabase
from grader.clock import until
from grader.verdict import Came, CouldNotRun

# Sous les ports que Linux et macOS prêtent aux connexions sortantes.
PORTS = range(20_000, 32_000)
# Ce que toute bibliothèque envoie d'elle-même : ce n'est pas encore parler à la base.
REDIS_COURTESY = {"HELLO", "CLIENT", "PING", "SELECT", "AUTH", "INFO", "COMMAND", "QUIT"}
MONGO_COURTESY = {"hello", "ismaster", "ping", "buildinfo", "endsessions", "saslstart"}
SYSTEM = ("admin", "config", "local")

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
    """Un Redis vide, ses commandes à mesure (`MONITOR`), et des photos de son contenu."""

    port: int
    commands: list[list[str]] = field(default_factory=list)

    def start(self) -> Self:
        self._client: Any = redis.Redis(
            host="127.0.0.1", port=self.port, single_connection_client=True, socket_timeout=20
        )
        self._client.ping()
        connection: Any = self._client.connection
        self._ours = "{}:{}".format(*connection._sock.getsockname())
        return self

    async def listen(self) -> None:
        """Lit le flux de MONITOR jusqu'à l'annulation."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**24)
        try:
            writer.write(b"MONITOR\r\n")
            await reader.readline()
            self.ready = True
            while line := await reader.readline():
                self._note(line.decode("utf-8", "replace"))
        finally:
            writer.close()

    ready = False

    def _note(self, line: str) -> None:
        """`+1700000000.12 [0 127.0.0.1:5000] "SET" "cle" "valeur"`"""
        head, _, rest = line.partition("] ")
        words = rest.strip().strip('"').split('" "')
        if head.rpartition(" ")[2] in (self._ours, "lua") or words[0].upper() in REDIS_COURTESY:
            return
        self.commands.append(words)

    async def snapshot(self) -> Snapshot:
        """Tout ce que Redis contient : (base, clé[, champ]) -> valeur."""
        return await asyncio.to_thread(self._snapshot)

    def _snapshot(self) -> Snapshot:
        photo: Snapshot = {}
        client = self._client
        for number in (base.removeprefix("db") for base in sorted(client.info("keyspace"))):
            client.execute_command("SELECT", number)
            for key in sorted(client.scan_iter(count=1000)):
                if read := READERS.get(client.type(key)):
                    held = read(client, key)
                    photo |= {(number, key, *field): held[field] for field in held}
                photo[(number, key, "expires")] = client.ttl(key) >= 0
        client.execute_command("SELECT", 0)
        return photo

    def stop(self) -> None:
        self._client.close()


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
async def fresh_redis() -> AsyncIterator[RedisWatch]:
    """Un Redis vide et observé, pour la durée du bloc ; lève CouldNotRun s'il n'y en a pas."""
    async with _started(RedisDatabase, "redis", Came.NO_REDIS) as port:
        watch = await asyncio.to_thread(RedisWatch(port).start)
        listener = asyncio.create_task(watch.listen())
        try:
            await until(lambda: watch.ready, 5)
            yield watch
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
            watch.stop()


@dataclass
class MongoWatch:
    """Un MongoDB vide derrière un relais qui note le nom de chaque commande reçue."""

    port: int  # celui du relais
    real: int
    commands: list[str] = field(default_factory=list)

    def contains(self, word: str) -> bool:
        """Vrai si un document, dans n'importe quelle collection, contient ce mot."""
        with MongoClient[dict[str, Any]]("127.0.0.1", self.real) as client:
            bases = [client[name] for name in client.list_database_names() if name not in SYSTEM]
            collections = [base[name] for base in bases for name in base.list_collection_names()]
            return any(word in repr(document) for each in collections for document in each.find())


@asynccontextmanager
async def fresh_mongo() -> AsyncIterator[MongoWatch]:
    """Un MongoDB vide et observé, pour la durée du bloc ; lève CouldNotRun s'il n'y en a pas."""
    async with _started(MongoDatabase, "mongodb", Came.NO_MONGO) as real:
        watch = MongoWatch(0, real)

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there_reader, there_writer = await asyncio.open_connection("127.0.0.1", real)
            except OSError:
                writer.close()
                return
            await asyncio.gather(
                _pump(reader, there_writer, watch.commands), _pump(there_reader, writer, None)
            )

        server = await asyncio.start_server(relay, "127.0.0.1", 0)
        watch.port = server.sockets[0].getsockname()[1]
        try:
            yield watch
        finally:
            server.close()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, commands: list[str] | None
) -> None:
    """Passe les messages du protocole de MongoDB un à un, en notant ceux du client."""
    try:
        while True:
            head = await reader.readexactly(16)
            length, _, _, opcode = struct.unpack("<iiii", head)
            body = await reader.readexactly(length - 16)
            if commands is not None and opcode == 2013 and body[4] == 0:
                name = next(iter(bson.decode(body[5 : 5 + struct.unpack_from("<i", body, 5)[0]])))
                if name.lower() not in MONGO_COURTESY:
                    commands.append(name)
            writer.write(head + body)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError, bson.errors.BSONError):
        pass
    finally:
        writer.close()
