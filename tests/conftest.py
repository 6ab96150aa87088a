"""Options et bases de données communes à tous les tests."""

import signal
from collections.abc import Iterator

import pytest
from support import storage as storages

from databases import CannotStart

pytest_plugins = ["grader.reporting.plugin"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--databases",
        choices=storages.KINDS,
        default="auto",
        help="où tournent Redis et MongoDB : conteneurs Docker, ou paquets pip (embedded ; oldest, "
        "avec Redis 6.2) ; auto prend les conteneurs si leurs images sont là",
    )
    parser.addoption(
        "--program",
        default="chatroom",
        help="le serveur qu'éprouve tests/chatroom : le paquet, ou un script du TP",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Lancés par `nohup` ou par `&`, les serveurs d'un test hériteraient d'un signal ignoré.
    for number in signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    config.addinivalue_line("markers", "databases: demande Redis ou MongoDB (mis tout seul)")
    config.addinivalue_line(
        "markers", "together: se joue avec ses voisins de fichier (mis par forms)"
    )
    try:
        config.stash[storages.CHOSEN] = storages.choose(config.getoption("--databases"))
    except CannotStart as error:
        raise pytest.UsageError(str(error)) from None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marque ce qui touche aux bases : `-m databases` les choisit."""
    for item in items:
        if "storage" in getattr(item, "fixturenames", ()):
            item.add_marker("databases")


def pytest_report_header(config: pytest.Config) -> str:
    return f"bases de données : {config.stash[storages.CHOSEN].description}"


@pytest.fixture(scope="session")
def storage(request: pytest.FixtureRequest) -> storages.Storage:
    """De quoi ouvrir d'autres bases : `with storage.redis() as database`."""
    return request.config.stash[storages.CHOSEN]


@pytest.fixture(scope="session")
def shared_redis(storage: storages.Storage) -> Iterator[str]:
    with storage.redis() as database:
        yield database.url


@pytest.fixture(scope="session")
def shared_mongo(storage: storages.Storage) -> Iterator[str]:
    with storage.mongo() as database:
        yield database.url


@pytest.fixture
def redis_url(shared_redis: str) -> str:
    """L'adresse d'un Redis vide."""
    storages.empty_redis(shared_redis)
    return shared_redis


@pytest.fixture
def mongo_url(shared_mongo: str) -> str:
    """L'adresse d'un MongoDB vide, avec le nom d'une base de données neuve."""
    return storages.empty_mongo(shared_mongo)


@pytest.fixture
def private_redis(storage: storages.Storage) -> Iterator[storages.Private]:
    """Un Redis pour ce seul test, qui peut le figer, le tuer, le relancer."""
    with storage.redis() as database:
        yield database


@pytest.fixture
def private_mongo(storage: storages.Storage) -> Iterator[storages.Private]:
    """Un MongoDB pour ce seul test, qui peut le figer, le tuer, le relancer."""
    with storage.mongo() as database:
        yield database
