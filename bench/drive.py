"""Mesurer : un système démarre, des clients s'y connectent, on les fait parler, on compte."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from select import select
from statistics import median

from pymongo import MongoClient
from redis import Redis

from databases import MongoDatabase, RedisDatabase

from .measures import Measures, share
from .plan import Step
from .systems import BENCH, DATA, PEERS, Failed, System

START_TIMEOUT = 60  # secondes : une machine chargée met du temps à lancer un Python
LOAD_TIMEOUT = 300  # secondes au plus pour une charge, pertes constatées comprises
COPY_TIMEOUT = 20  # secondes laissées à un serveur pour finir de copier dans MongoDB
GENERATOR, LOGS = DATA / "load", DATA / "logs"


class Databases:
    """Redis et MongoDB pour le banc, sur des ports libres, le temps d'un `with ExitStack()`."""

    def __init__(self, stack: ExitStack):
        folder = DATA / "databases"
        shutil.rmtree(folder, ignore_errors=True)
        self.redis = RedisDatabase(f"redis://127.0.0.1:{free_port()}/0", folder / "redis")
        self.mongo = MongoDatabase(f"mongodb://127.0.0.1:{free_port()}/bench", folder / "mongo")
        for database in (self.redis, self.mongo):
            stack.callback(database.stop)
            database.start()
        self.redis_client = stack.enter_context(Redis.from_url(self.redis.url))
        self.mongo_client = stack.enter_context(MongoClient(self.mongo.url))

    def clear(self):
        self.redis_client.flushall()
        self.mongo_client.drop_database("bench")

    def copied(self) -> int:
        """Rend combien de messages sont dans MongoDB."""
        names = self.mongo_client["bench"].list_collection_names()
        return sum(self.mongo_client["bench"][name].estimated_document_count() for name in names)


def measure(step: Step, databases: Databases, m: Measures):
    """Fait subir ses charges à un système ; rend une mesure après chacune.

    `m` : ce qui est déjà mesuré, d'où vient le nombre de lignes que la limite met dans une trame.
    """
    frames = m.values(share("lines", "frames", 1), "chatroom", step.loads[0])
    lines = round(median(frames or [1]))
    databases.clear()
    with ExitStack() as stack:
        servers, ports = [], [free_port() for _ in range(step.servers)]
        for port in ports:
            servers.append(stack.enter_context(server(step.system, port, databases, lines)).pid)
        empty = sum(map(resident_kib, servers))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        command = [GENERATOR, step.system.dialect, step.clients, *ports]
        generator = stack.enter_context(program(command, "generator", **pipes))
        answer(generator)
        memory = (sum(map(resident_kib, servers)) - empty) / step.clients
        for load in step.loads:
            messages = load.messages(step.system, step.clients // step.servers)
            where = {"system": step.system.name, "clients": step.clients, "servers": step.servers}
            where |= {"load": load.name, "memory_kib": memory}
            order = f"{load.authors} {messages} {load.rate}\n"
            yield where | charge(order, generator, servers, databases, step.system.mongo)


def charge(order: str, generator, servers, databases, copies: bool) -> dict:
    """Envoie une charge et en attend la fin, copies dans MongoDB comprises ; rend son coût."""
    watched = [*servers, databases.redis.process.pid, databases.mongo.process.pid]
    copied = databases.copied() if copies else 0
    before = [cpu_seconds(pid) for pid in watched]
    generator.stdin.write(order)
    result = answer(generator)
    if not result["lines"]:
        raise Failed("rien n'est arrivé à personne")
    if copies:
        wanted, deadline = copied + result["sent"], time.monotonic() + COPY_TIMEOUT
        while databases.copied() < wanted and time.monotonic() < deadline:
            time.sleep(0.02)
        result["uncopied"] = wanted - databases.copied()
    *used, redis, mongo = (cpu_seconds(pid) - old for pid, old in zip(watched, before, strict=True))
    return result | {"server_cpu": sum(used), "redis_cpu": redis, "mongo_cpu": mongo}


@contextmanager
def server(system: System, port: int, databases: Databases, lines: int):
    """Lance un serveur le temps d'un bloc, et attend qu'il écoute."""
    command = [str(word).format(port=port, lines=lines) for word in system.command]
    environment = os.environ | {"MONGO_URL": databases.mongo.url, "REDIS_URL": databases.redis.url}
    if not system.redis:
        del environment["REDIS_URL"]
    options = {"cwd": system.folder(), "env": environment, "stdout": subprocess.DEVNULL}
    with program(command, system.name, **options) as process:
        deadline = time.monotonic() + START_TIMEOUT
        while not listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"il ne démarre pas : lis bench/.data/logs/{system.name}.txt")
            time.sleep(0.02)
        yield process


@contextmanager
def program(command, log: str, **options):
    """Lance un programme le temps d'un bloc ; ses erreurs vont dans bench/.data/logs."""
    options |= {"start_new_session": True}
    with (
        (LOGS / f"{log}.txt").open("ab") as errors,
        subprocess.Popen([str(word) for word in command], stderr=errors, **options) as process,
    ):
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def answer(generator) -> dict:
    """Rend ce que le générateur écrit ; lève Failed s'il finit, ou tarde trop."""
    ready, _, _ = select([generator.stdout], [], [], LOAD_TIMEOUT)
    line = generator.stdout.readline() if ready else ""
    if not line:
        raise Failed("la charge n'a pas abouti : lis bench/.data/logs/generator.txt")
    return json.loads(line)


def cpu_seconds(pid: int) -> float:
    """Rend le temps de calcul (utilisateur et système, tous les fils) d'un processus, en secondes.

    C'est l'horloge de clock_getcpuclockid(3) : utime et stime de /proc/PID/stat, à la nanoseconde.
    """
    return time.clock_gettime(~pid << 3 | 2)


def resident_kib(root: int) -> int:
    """Rend la mémoire résidente d'un processus et de toute sa descendance."""
    ps = subprocess.run(["ps", "-eo", "pid=,ppid=,rss="], capture_output=True, text=True)
    rows = [tuple(map(int, line.split())) for line in ps.stdout.splitlines()]
    family = {root}
    while more := {pid for pid, parent, _ in rows if parent in family} - family:
        family |= more
    return sum(size for pid, _, size in rows if pid in family)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def prepare() -> None:
    """Compile le générateur, installe les concurrents dans bench/.venv et bench/node_modules."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        sys.exit("Le générateur est en C : il faut un compilateur, sudo apt install gcc (ou dnf).")
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    subprocess.run([compiler, "-O2", "-o", GENERATOR, BENCH / "load.c"], check=True)
    pip = ".venv/bin/pip install -qU --disable-pip-version-check -r peers/requirements.txt"
    npm = "npm install --silent --no-audit --no-fund --no-package-lock"
    wanted = (PEERS / "requirements.txt").read_text() + (BENCH / "package.json").read_text()
    installed = DATA / "installed.txt"  # ce que l'on voulait la dernière fois
    if not installed.exists() or installed.read_text() != wanted:
        print("Installation des concurrents…", flush=True)
        for command in ([sys.executable, "-m", "venv", ".venv"], pip.split(), npm.split()):
            subprocess.run(command, cwd=BENCH, check=True)
        installed.write_text(wanted)
