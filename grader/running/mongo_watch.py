"""MongoDB pour un rendu : neuf à chaque fois, observé commande par commande."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import bson
from pymongo import MongoClient

from databases import MongoDatabase
from grader.running.bounds import DISK
from grader.running.enclosure import current
from grader.running.relay import relayed, started
from grader.verdict import Came, Remark

# Ce que toute bibliothèque envoie d'elle-même : ce n'est pas encore parler à la base.
COURTESY = {"hello", "ismaster", "ping", "buildinfo", "endsessions", "saslstart"}
SYSTEM = ("admin", "config", "local")
REFUSED = {"shutdown", "fsync"}
MESSAGE = 20_000_000  # octets d'un message
OP_MSG = 2013
BROKEN = (struct.error, bson.errors.BSONError)  # ce n'est pas le protocole de MongoDB


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
            if name.lower() in REFUSED:
                current().cut(Remark.REFUSED_COMMAND, commands=name)
                return False
            if name.lower() not in COURTESY:
                self.commands.append(name)
        return True


@asynccontextmanager
async def fresh_mongo() -> AsyncIterator[MongoWatch]:
    """Un MongoDB vide et observé, pour la durée du bloc ; lève CouldNotRun s'il n'y en a pas."""
    async with started(MongoDatabase, "mongodb", Came.NO_MONGO) as real:
        watch = MongoWatch(0, real)
        async with relayed(real, watch.pump) as watch.port:
            yield watch
