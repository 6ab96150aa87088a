"""Redis pour un rendu : neuf à chaque fois, observé commande par commande."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

import redis

from databases import RedisDatabase
from grader.clock import until
from grader.running.enclosure import current
from grader.running.relay import relayed, started
from grader.running.snapshot import Snapshot, photograph
from grader.verdict import Came, Remark

# Ce que toute bibliothèque envoie d'elle-même : ce n'est pas encore parler à la base.
COURTESY = {"HELLO", "CLIENT", "PING", "SELECT", "AUTH", "INFO", "COMMAND", "QUIT"}
# Le compte du correcteur, ce que Redis peut prendre, et ce qu'un rendu n'a pas à y faire : joindre
# d'autres ports, éteindre, régler, espionner ou figer.
ADMIN = "correcteur"
STAYS = ("CLIENT", "NO-EVICT", "ON")  # le rendu peut faire chasser ses connexions, pas les nôtres
LIMITS = {"maxmemory": "64mb", "maxmemory-clients": "64mb", "proto-max-bulk-len": "1mb",
          "busy-reply-threshold": "500", "appendonly": "no"}  # fmt: skip
REFUSED = ("acl", "bgrewriteaof", "bgsave", "client|kill", "client|pause", "cluster", "config",
           "debug", "failover", "migrate", "module", "monitor", "psync", "replicaof", "save",
           "shutdown", "slaveof", "sync")  # fmt: skip
NAMES = {command.partition("|")[0] for command in REFUSED}
ENDLESS = 20  # scripts sans fin à arrêter l'un après l'autre
WORD = re.compile(rb'"((?:\\.|[^"\\])*)"')
ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.DOTALL)
ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


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
        for setting, value in LIMITS.items():
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
        if not ours and words and words[0].upper() not in COURTESY:
            self.commands.append(words)

    async def snapshot(self) -> Snapshot:
        """Tout ce que Redis contient : (base, clé[, champ]) -> valeur."""
        try:
            return await asyncio.to_thread(photograph, self._client)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSY"):
                raise
        await asyncio.to_thread(self._free)
        return await asyncio.to_thread(photograph, self._client)

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
        started(RedisDatabase, "redis", Came.NO_REDIS) as real,
        relayed(real, _bytes) as port,
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
