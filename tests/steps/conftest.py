"""Ce que les étapes du TP éprouvent : un script, seul ou à plusieurs, et de vraies bases."""

from collections.abc import Iterator

import pytest
from redis import Redis
from support.room import Room


@pytest.fixture
def script(request: pytest.FixtureRequest) -> str:
    """Le serveur de l'étape ; un module commun à plusieurs étapes le donne par parametrize."""
    return request.module.SERVER


@pytest.fixture
async def empty_room(redis_url: str, mongo_url: str, script: str):
    """Une salle où le test démarre ses serveurs lui-même."""
    async with Room(redis_url, mongo_url, script) as room:
        yield room


@pytest.fixture
async def room(empty_room: Room) -> Room:
    """Une salle tenue par un seul serveur."""
    await empty_room.add()
    return empty_room


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client
