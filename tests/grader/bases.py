"""Redis et MongoDB pour un rendu : neufs à chaque fois, observés commande par commande."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import bson
import redis
from pymongo import MongoClient
from support import storage

from databases import CannotStart
from grader.launch import CouldNotRun
from grader.sandbox import until

# Ce que toute bibliothèque envoie d'elle-même : ce n'est pas encore parler à la base.
REDIS_COURTESY = {"HELLO", "CLIENT", "PING", "SELECT", "AUTH", "INFO", "COMMAND", "QUIT"}
MONGO_COURTESY = {"hello", "ismaster", "ping", "buildinfo", "endsessions", "saslstart"}

Snapshot = dict[tuple, object]


@dataclass
class RedisWatch:
    """Un Redis vide, ses commandes à mesure (`MONITOR`), et des photos de son contenu."""

    port: int
    commands: list[list[str]] = field(default_factory=list)

    def start(self) -> "RedisWatch":
        self._client = redis.Redis(
            host="127.0.0.1", port=self.port, single_connection_client=True, socket_timeout=20
        )
        self._client.ping()
        ours = self._client.connection._sock.getsockname()
        self._ours = f"{ours[0]}:{ours[1]}"
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
        author = head.rpartition(" ")[2]
        words = [part for part in rest.strip().strip('"').split('" "')]
        if author not in (self._ours, "lua") and words and words[0].upper() not in REDIS_COURTESY:
            self.commands.append(words)

    async def snapshot(self) -> Snapshot:
        """Tout ce que Redis contient : (base, clé[, champ]) -> valeur."""
        return await asyncio.to_thread(self._snapshot)

    def _snapshot(self) -> Snapshot:
        photo: Snapshot = {}
        client = self._client
        for base in sorted(client.info("keyspace")):
            number = base.removeprefix("db")
            client.execute_command("SELECT", number)
            for key in sorted(client.scan_iter(count=1000)):
                self._photograph(photo, (number, key), key)
        client.execute_command("SELECT", 0)
        return photo

    def _photograph(self, photo: Snapshot, place: tuple, key: bytes) -> None:
        client, kind = self._client, self._client.type(key).decode()
        if kind == "string":
            photo[place] = client.get(key)
        elif kind == "hash":
            for name, value in client.hgetall(key).items():
                photo[(*place, name)] = value
        elif kind == "set":
            for member in client.smembers(key):
                photo[(*place, member)] = True
        elif kind == "zset":
            for member, score in client.zrange(key, 0, -1, withscores=True):
                photo[(*place, member)] = score
        elif kind == "list":
            for rank, value in enumerate(client.lrange(key, 0, -1)):
                photo[(*place, rank)] = value
        elif kind == "stream":
            for identifier, fields in client.xrange(key):
                photo[(*place, identifier)] = tuple(sorted(fields.items()))
        photo[(*place, "expires")] = client.ttl(key) >= 0

    def stop(self) -> None:
        self._client.close()


def appeared(before: Snapshot, after: Snapshot) -> list[tuple]:
    """Ce qui est né ou a changé entre deux photos ; un compteur qui bouge n'est pas une session."""

    def counts(place: tuple) -> bool:
        value = after[place]
        return (
            (isinstance(value, bytes) and value.lstrip(b"-").isdigit() and place in before)
            or isinstance(value, bool | float)
            and place in before
        )

    return [p for p in after if (p not in before or before[p] != after[p]) and not counts(p)]


def gone_or_changed(footprint: list[tuple], before: Snapshot, after: Snapshot) -> list[tuple]:
    """Ce qui, de la trace laissée par une arrivée, a disparu ou changé depuis."""
    return [place for place in footprint if before.get(place) != after.get(place)]


def shown(place: tuple) -> str:
    """Une clé (et son champ) comme on la lit dans redis-cli."""
    parts = [p.decode("utf-8", "replace") if isinstance(p, bytes) else str(p) for p in place[1:]]
    return " ".join(parts)


def _storage() -> storage.Storage:
    for kind in ("embedded", "auto"):
        try:
            return storage.choose(kind)
        except CannotStart:
            continue
    raise CouldNotRun("no_database")


@asynccontextmanager
async def fresh_redis() -> AsyncIterator[RedisWatch]:
    """Un Redis vide et observé, pour la durée du bloc ; lève CouldNotRun s'il n'y en a pas."""
    try:
        manager = _storage().redis()
        database = await asyncio.to_thread(manager.__enter__)
    except CannotStart as error:
        raise CouldNotRun("no_redis", error=str(error)) from None
    try:
        watch = await asyncio.to_thread(RedisWatch(urlsplit(database.url).port).start)
        listener = asyncio.create_task(watch.listen())
        try:
            await until(lambda: watch.ready, 5)
            yield watch
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
            watch.stop()
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


@dataclass
class MongoWatch:
    """Un MongoDB vide derrière un relais qui note le nom de chaque commande reçue."""

    port: int
    url: str
    commands: list[str] = field(default_factory=list)

    def contains(self, word: str) -> bool:
        """Vrai si un document, dans n'importe quelle collection, contient ce mot."""
        with MongoClient(self.url, serverSelectionTimeoutMS=5000) as client:
            for base in client.list_database_names():
                if base in ("admin", "config", "local"):
                    continue
                for name in client[base].list_collection_names():
                    for document in client[base][name].find():
                        if word in repr(document):
                            return True
        return False


@asynccontextmanager
async def fresh_mongo() -> AsyncIterator[MongoWatch]:
    """Un MongoDB vide et observé, pour la durée du bloc ; lève CouldNotRun s'il n'y en a pas."""
    try:
        manager = _storage().mongo()
        database = await asyncio.to_thread(manager.__enter__)
    except CannotStart as error:
        raise CouldNotRun("no_mongo", error=str(error)) from None
    real = urlsplit(database.url)
    watch = MongoWatch(0, f"mongodb://127.0.0.1:{real.port}")

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", real.port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            _pump(reader, there_writer, watch.commands), _pump(there_reader, writer, None)
        )

    try:
        server = await asyncio.start_server(relay, "127.0.0.1", 0)
        watch.port = server.sockets[0].getsockname()[1]
        try:
            yield watch
        finally:
            server.close()
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, commands) -> None:
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
