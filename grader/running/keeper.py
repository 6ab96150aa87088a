"""Le gardien : lance un programme inconnu sous contrôle, et n'en laisse rien derrière lui.

Il tourne à part (`python -I -S keeper.py '<json>'`), reçoit les ordres sur son descripteur 3, et
devient le parent de tout orphelin de sa descendance : un double fork ne lui échappe pas. Quand
l'autre bout du descripteur se ferme, même parce que le correcteur a été tué, il tue tout et sort.

Le programme lancé n'écrit que dans les dossiers permis, n'envoie de signaux qu'aux siens et ne
se connecte en TCP qu'aux ports permis : c'est Landlock qui l'impose, sur les noyaux Linux récents.
"""

import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import sys
import termios
import time
from typing import Any

CONTROL = 3
SET_CHILD_SUBREAPER, SET_NO_NEW_PRIVS = 36, 38
BOUNDING_DROP, AMBIENT, AMBIENT_CLEAR_ALL = 24, 47, 4
CAPABILITIES, CAPABILITIES_VERSION = 64, 0x20080522  # linux/capability.h
# Numéros d'appels système communs à toutes les architectures.
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
WRITES = sum(1 << bit for bit in (1, 4, 5, 6, 7, 8, 9, 10, 11, 12))  # linux/landlock.h
WRITE_FILE, TRUNCATE, REFER = 1 << 1, 1 << 14, 1 << 13
CONNECT_TCP, SCOPE_SIGNAL = 1 << 1, 1 << 1

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    order = json.loads(sys.argv[1])
    if sys.platform == "linux":
        libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wakeup, alarm = os.pipe()
    os.set_blocking(alarm, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(alarm)
    child = os.fork()
    if child == 0:
        become(order)
    for fd in (0, 1, 2):  # la fin de sa sortie doit être celle du programme, pas la nôtre
        os.close(fd)
    tell({"pid": child})
    watch(child, wakeup)


def become(order: dict[str, Any]) -> None:
    """Dans l'enfant : se ranger dans les limites, puis devenir le programme."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.close(CONTROL)
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        os.chdir(order["folder"])
        for name, value in order["limits"].items():
            limit = getattr(resource, name, None)
            if limit is not None:
                hard = resource.getrlimit(limit)[1]
                ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(limit, (ceiling, ceiling))
        if sys.platform == "linux":
            renounce()
            confine(order["writable"], order["ports"])
        os.execvpe(order["command"][0], order["command"], order["environment"])
    except BaseException as error:  # il n'y a plus personne pour l'attraper
        os.write(2, f"{error}\n".encode())
    finally:
        os._exit(127)


def renounce() -> None:
    """Perd pour toujours tous les pouvoirs de root : taper dans un terminal, éteindre, régler."""
    libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(AMBIENT, AMBIENT_CLEAR_ALL, 0, 0, 0)
    for number in range(CAPABILITIES):  # le noyau refuse ceux qu'il n'a pas
        libc.prctl(BOUNDING_DROP, number, 0, 0, 0)
    if libc.capset((ctypes.c_uint32 * 2)(CAPABILITIES_VERSION, 0), (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capset")


def confine(writable: list[str], ports: list[int]) -> None:
    """Pose les règles de Landlock que ce noyau connaît ; sans lui, ne fait rien."""
    version = libc.syscall(LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return
    files = WRITES | (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    network = CONNECT_TCP if version >= 4 else 0
    scope = SCOPE_SIGNAL if version >= 6 else 0
    size = 8 * (1 + (version >= 4) + (version >= 6))
    rules = libc.syscall(LANDLOCK_CREATE, (ctypes.c_uint64 * 3)(files, network, scope), size, 0)
    if rules < 0:
        return
    for path in [*writable, "/dev"]:
        allowed = files if path != "/dev" else WRITE_FILE | (files & TRUNCATE)
        folder = os.open(path, os.O_PATH)
        rule = allowed.to_bytes(8, sys.byteorder) + folder.to_bytes(4, sys.byteorder)
        libc.syscall(LANDLOCK_ADD, rules, 1, rule, 0)
        os.close(folder)
    for port in ports if network else []:
        rule = CONNECT_TCP.to_bytes(8, sys.byteorder) + port.to_bytes(8, sys.byteorder)
        libc.syscall(LANDLOCK_ADD, rules, 2, rule, 0)
    libc.syscall(LANDLOCK_RESTRICT, rules, 0)
    os.close(rules)


def watch(child: int, wakeup: int) -> None:
    """Obéit aux ordres (un signal à transmettre, ou l'arrêt) jusqu'à la fin de tout."""
    while True:
        ready = select.select([CONTROL, wakeup], [], [])[0]
        if wakeup in ready:
            os.read(wakeup, 4096)
            reap(child)
        if CONTROL in ready:
            orders = os.read(CONTROL, 4096).decode().split()
            for number in orders:
                if number != "stop":
                    signal_all(child, int(number))
            if not orders or "stop" in orders:
                annihilate(child)
                tell({"gone": True})
                return


def signal_all(child: int, number: int) -> None:
    """Au programme et à son groupe, comme le ferait un terminal."""
    try:
        os.killpg(child, number)
    except OSError:
        pass


def reap(child: int) -> bool:
    """Enterre les enfants finis, annonce la fin du principal ; dit s'il en reste."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        if pid == child:
            tell({"exit": os.waitstatus_to_exitcode(status)})


def annihilate(child: int, seconds: float = 15) -> None:
    """Tue toute la descendance ; d'abord la figer, sinon elle renaît plus vite qu'elle ne meurt."""
    deadline = time.monotonic() + seconds
    while reap(child) and time.monotonic() < deadline:
        seen: set[int] = set()
        while new := set(descendants()) - seen:
            seen |= new
            for pid in new:
                send(pid, signal.SIGSTOP)
        for pid in seen:
            send(pid, signal.SIGKILL)
        time.sleep(0.005)


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass


def descendants() -> list[int]:
    """Les processus dont nous sommes l'ancêtre, d'après /proc (là où il n'existe pas : aucun)."""
    parents: dict[int, int] = {}
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for name in names:
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except OSError:
            continue
        if state != b"Z":
            parents[int(name)] = int(parent)
    found, me = [], os.getpid()
    for pid in parents:
        ancestor, steps = pid, 0
        while ancestor in parents and ancestor != me and steps < 1000:
            ancestor, steps = parents[ancestor], steps + 1
        if ancestor == me and pid != me:
            found.append(pid)
    return found


def tell(news: dict[str, Any]) -> None:
    try:
        os.write(CONTROL, json.dumps(news).encode() + b"\n")
    except OSError:
        pass


main()
