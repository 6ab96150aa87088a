"""La scène d'un essai : un serveur neuf, et les bases de données qu'il demande, neuves aussi."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from grader.judging.student import Student
from grader.running.bases import MongoWatch, RedisWatch, fresh_mongo, fresh_redis
from grader.running.launch import Ports, Served
from grader.running.screen import tail
from grader.verdict import Event, Note

# Ce qui ouvre une scène neuve.
Opening = Callable[[], "AbstractAsyncContextManager[Stage]"]


@dataclass(frozen=True)
class Account:
    """Ce qu'un programme laisse derrière lui, pris une fois pour toutes quand il a fini."""

    listened: bool
    output: str
    events: list[Event]
    remarks: list[Note]

    @property
    def tail(self) -> str:
        return tail(self.output)


@dataclass(frozen=True)
class Stage:
    served: Served
    redis: RedisWatch | None = None
    mongo: MongoWatch | None = None

    async def end(self) -> Account:
        """Arrête le serveur, et rend ce qu'il a laissé ; ses bases restent à regarder."""
        program = self.served.program
        await program.end()
        return Account(bool(self.served.url), program.output, program.events, program.remarks)


def opening(student: Student, role: str, *, redis: bool = False, mongo: bool = False) -> Opening:
    """De quoi ouvrir autant de scènes que l'on voudra pour ce serveur."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Stage]:
        async with AsyncExitStack() as bases:
            of_redis = await bases.enter_async_context(fresh_redis()) if redis else None
            of_mongo = await bases.enter_async_context(fresh_mongo()) if mongo else None
            ports = Ports(
                redis=of_redis.port if of_redis else 0, mongo=of_mongo.port if of_mongo else 0
            )
            served = await student.desk.launcher.server(role, ports)
            try:
                yield Stage(served, of_redis, of_mongo)
            finally:
                await served.program.end()

    return stage
