"""Ce que toute la suite éprouve : le paquet `chatroom`, ou le serveur que dit `--program`.

`pytest tests/chatroom --program=ws_ii_3_server.py` montre ce que perd le script de la leçon.
"""

from collections.abc import Iterator

import pytest
from redis import Redis
from support.forms import Together
from support.room import Room
from support.storage import CHOSEN


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Une fois les tests choisis : ceux qui attendent attendront ensemble."""
    Together.gather(items, storage=config.stash[CHOSEN], program=config.getoption("--program"))


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> str:
    return request.config.getoption("--program")


@pytest.fixture
async def room(redis_url: str, mongo_url: str, program: str):
    """Une salle où le test démarre ses serveurs lui-même."""
    async with Room(redis_url, mongo_url, program) as room:
        yield room


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client
