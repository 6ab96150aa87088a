"""Une mesure : un système démarre, des clients s'y connectent, on les fait parler, on compte."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pymongo import MongoClient
from redis import Redis
from systems import BENCH, PEERS, System
from variants import ROOT

sys.path.insert(0, str(ROOT))
from databases import MongoDatabase, RedisDatabase  # noqa: E402

START_TIMEOUT = 60  # secondes : une machine chargée met du temps à lancer un Python
LOAD_TIMEOUT = 180  # secondes au plus pour une charge, pertes constatées comprises
COPY_TIMEOUT = 20  # secondes laissées à II.3 pour finir de copier
DATA = BENCH / ".data"
GENERATOR = DATA / "load"


class Failed(Exception):
    """Une mesure n'a pas pu se faire ; le message dit pourquoi."""


@dataclass(frozen=True)
class Load:
    """Une charge : combien parlent, et à quel rythme (messages/s ; 0 : saturation)."""

    name: str
    authors: int
    rate: float = 0

    def messages(self, system: System, clients: int, servers: int, seconds: float) -> int:
        """Rend combien de messages envoyer pour que la charge dure à peu près `seconds`.

        En saturation, de quoi occuper le système la moitié de ce temps d'après son coût attendu.
        À rythme fixe, on raccourcit pour qui ne suit pas : son retard ne ferait que grandir.
        """
        price = system.cost * (clients // servers) / 1e6  # secondes de calcul par message
        if self.rate:
            return int(min(self.rate * seconds, max(4 * seconds / price, 30)))
        return int(min(max(seconds / 2 / price, self.authors, 20), 20_000))


class Databases:
    """Redis et MongoDB pour le banc, sur des ports libres, avec leurs données sous bench/.data."""

    def __init__(self):
        folder = DATA / "bases"
        shutil.rmtree(folder, ignore_errors=True)
        self.redis = RedisDatabase(f"redis://127.0.0.1:{free_port()}/0", folder / "redis")
        self.mongo = MongoDatabase(f"mongodb://127.0.0.1:{free_port()}/banc", folder / "mongo")

    def __enter__(self):
        self.redis.start()
        try:
            self.mongo.start()
        except BaseException:
            self.redis.stop()
            raise
        return self

    def __exit__(self, *_):
        self.mongo.stop()
        self.redis.stop()

    def clear(self):
        with Redis.from_url(self.redis.url) as client:
            client.flushall()
        with MongoClient(self.mongo.url) as client:
            client.drop_database("banc")

    def copied(self) -> int:
        with MongoClient(self.mongo.url) as client:
            return client["banc"]["messages"].estimated_document_count()


class Program:
    """Un programme lancé par le banc, et ce qu'il consomme."""

    def __init__(self, command, log: Path, **options):
        self.log = log.open("wb")
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stderr=self.log,
            start_new_session=True,
            **options,
        )
        self.pid = self.process.pid

    def cpu(self) -> float:
        return cpu_seconds(self.pid)

    def kill(self):
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            if stream:
                stream.close()


def cpu_seconds(pid: int) -> float:
    """Rend le temps de calcul (utilisateur et système, tous les fils) d'un processus, en secondes.

    C'est l'horloge que clock_getcpuclockid(3) donne : le même compte que utime + stime de
    /proc/PID/stat, mais à la nanoseconde au lieu du centième.
    """
    return time.clock_gettime(~pid << 3 | 2)


def resident_bytes(pid: int) -> int:
    """Rend la mémoire résidente d'un processus, en octets."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_until(condition, timeout: float, what: str):
    """Rend la première valeur vraie de `condition()` ; lève Failed après `timeout` secondes."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Failed(what)
        time.sleep(0.02)
    return value


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def start_server(system: System, number: int, databases: Databases, lines: int) -> Program:
    """Lance un serveur du système et attend qu'il écoute ; rend le programme, avec son port."""
    port = free_port()
    script = {system.name: system.variant.build()} if system.variant else {}
    command = [
        script.get(word, str(word).format(port=port, lines=lines)) for word in system.command
    ]
    environment = os.environ | system.environment | {"PYTHONUNBUFFERED": "1"}
    environment.pop("REDIS_URL", None)
    if system.redis:
        environment["REDIS_URL"] = databases.redis.url
    if system.mongo:
        environment["MONGO_URL"] = databases.mongo.url
    log = DATA / "journaux" / f"{system.name}-{number}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    server = Program(command, log, env=environment, stdout=subprocess.DEVNULL)
    server.port = port

    def listening():
        if server.process.poll() is not None:
            raise Failed(f"{system.label} ne démarre pas : lis {log}")
        return answers(port)

    try:
        wait_until(listening, START_TIMEOUT, f"{system.label} n'écoute pas : lis {log}")
    except BaseException:
        server.kill()
        raise
    return server


class Session:
    """Un système prêt, ses clients connectés et présentés. `idle` : octets par connexion inerte."""

    def __init__(self, system, clients, servers, databases, lines=1, python_generator=False):
        self.system, self.clients, self.databases = system, clients, databases
        self.programs = ExitStack()
        try:
            databases.clear()
            self.servers = []
            for number in range(servers):
                server = start_server(system, number, databases, lines)
                self.programs.callback(server.kill)
                self.servers.append(server)
            empty = [resident_bytes(server.pid) for server in self.servers]
            self.generator = self.start_generator(python_generator)
            self.programs.callback(self.generator.kill)
            self.answer("les clients ne sont pas tous entrés")
            full = [resident_bytes(server.pid) for server in self.servers]
            self.idle = (sum(full) - sum(empty)) / clients
        except BaseException:
            self.programs.close()
            raise

    def start_generator(self, in_python: bool) -> Program:
        options = ["--deflate"] if self.system.deflate else []
        python = [sys.executable, BENCH / "load.py", *options]
        use_python = in_python or self.system.deflate or not GENERATOR.exists()
        dialect = "socketio" if self.system.socketio else "chat"
        return Program(
            [
                *(python if use_python else [GENERATOR]),
                dialect,
                self.clients,
                *(server.port for server in self.servers),
            ],
            DATA / "journaux" / "generateur.txt",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def answer(self, what: str) -> dict:
        """Rend ce que le générateur écrit ; lève Failed s'il finit, ou tarde trop."""
        alarm = signal.signal(signal.SIGALRM, self.too_late)
        signal.alarm(LOAD_TIMEOUT)
        try:
            line = self.generator.process.stdout.readline()
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, alarm)
        if not line:
            self.generator.kill()
            reason = (DATA / "journaux" / "generateur.txt").read_text().strip()
            raise Failed(f"{self.system.label} : {what} ({reason})")
        return json.loads(line)

    def too_late(self, *_):
        raise Failed(f"{self.system.label} : rien au bout de {LOAD_TIMEOUT} s")

    def run(self, load: Load, seconds: float) -> dict:
        """Envoie une charge d'environ `seconds` secondes et rend ce qu'elle a coûté."""
        messages = load.messages(self.system, self.clients, len(self.servers), seconds)
        watched = [*self.servers, *self.used_databases()]
        copied = self.databases.copied() if self.system.mongo else 0
        before = [cpu_seconds(one.pid) for one in watched]
        self.generator.process.stdin.write(f"{load.authors} {messages} {load.rate}\n")
        result = self.answer("la charge n'a pas abouti")
        used = [cpu_seconds(one.pid) - old for one, old in zip(watched, before, strict=True)]
        servers, databases = used[: len(self.servers)], used[len(self.servers) :]
        if self.system.mongo:
            with suppress(Failed):  # ce qui manque est compté, comme les lignes perdues
                wait_until(lambda: self.databases.copied() - copied >= messages, COPY_TIMEOUT, "")
            result["uncopied"] = messages - (self.databases.copied() - copied)
            late = [cpu_seconds(one.pid) - old for one, old in zip(watched, before, strict=True)]
            result["copied_cpu"] = sum(late[: len(self.servers)])
        return result | {
            "system": self.system.name,
            "load": load.name,
            "clients": self.clients,
            "servers": len(self.servers),
            "authors": load.authors,
            "rate": load.rate,
            "servers_cpu": servers,
            "databases_cpu": databases,
            "idle": self.idle,
        }

    def used_databases(self):
        redis = [self.databases.redis.process] if self.system.redis else []
        return redis + ([self.databases.mongo.process] if self.system.mongo else [])


@contextmanager
def session(*arguments, **options):
    opened = Session(*arguments, **options)
    with opened.programs:
        yield opened


def compile_generator() -> bool:
    """Compile load.c ; rend False s'il n'y a pas de compilateur (load.py le remplacera)."""
    compiler = next(
        (found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None
    )
    GENERATOR.unlink(missing_ok=True)
    if compiler:
        subprocess.run([compiler, "-O2", "-o", GENERATOR, BENCH / "load.c"], check=True)
    return bool(compiler)


def install_peers() -> None:
    """Installe les concurrents dans bench/.venv et bench/node_modules, une fois."""
    mark, wanted = BENCH / ".venv" / "installed", PEERS / "requirements.txt"
    if not mark.exists() or mark.stat().st_mtime < wanted.stat().st_mtime:
        print("Installation des concurrents en Python dans bench/.venv…", flush=True)
        subprocess.run([sys.executable, "-m", "venv", BENCH / ".venv"], check=True)
        pip = [BENCH / ".venv" / "bin" / "python", "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--disable-pip-version-check", "-r", wanted], check=True)
        mark.touch()
    if shutil.which("npm") and not (BENCH / "node_modules" / "redis").exists():
        print("Installation des concurrents en Node dans bench/node_modules…", flush=True)
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
        subprocess.run(npm, cwd=BENCH, check=True)
