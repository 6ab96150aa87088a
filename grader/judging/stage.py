"""La scène d'un essai : un serveur neuf, et les bases de données qu'il demande, neuves aussi."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from grader.judging.student import Student
from grader.running.launch import Ports
from grader.running.mongo_watch import MongoWatch, fresh_mongo
from grader.running.program import Program
from grader.running.redis_watch import RedisWatch, fresh_redis


@dataclass(frozen=True)
class Stage:
    """Le serveur se termine avec la scène ; ce qu'il a écrit et noté se lit encore ensuite."""

    server: Program
    redis: RedisWatch | None
    mongo: MongoWatch | None
    launch: Callable[[], Awaitable[Program]]  # de nouveau, sur les mêmes bases


Opening = Callable[[], AbstractAsyncContextManager[Stage]]


def opening(student: Student, role: str, *, redis: bool = False, mongo: bool = False) -> Opening:
    """De quoi ouvrir autant de scènes neuves que l'on voudra pour ce serveur."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Stage]:
        async with AsyncExitStack() as bases:
            of_redis = await bases.enter_async_context(fresh_redis()) if redis else None
            of_mongo = await bases.enter_async_context(fresh_mongo()) if mongo else None
            ports = Ports(0, of_redis.port if of_redis else 0, of_mongo.port if of_mongo else 0)
            launch = partial(student.desk.launcher.server, role, ports)
            server = await launch()
            try:
                yield Stage(server, of_redis, of_mongo, launch)
            finally:
                await server.end()

    return stage
