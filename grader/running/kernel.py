"""Ce que le noyau dit d'un programme : ce qu'il a lancé, ce qu'il prend, où il écoute."""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from grader.running.bounds import DISK

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    processes: int
    memory: int


def usage(ancestor: int) -> Usage:
    """Ce que prennent ensemble les descendants de ce processus."""
    pids = descendants(ancestor)
    return Usage(len(pids), sum(map(_resident, pids)))


def descendants(ancestor: int) -> list[int]:
    """Les processus dont celui-ci est l'ancêtre ; aucun là où /proc n'existe pas."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found, waiting = [], [ancestor]
    while waiting:
        born = children.pop(waiting.pop(), [])
        found += born
        waiting += born
    return found


def _parents() -> Iterator[tuple[int, int]]:
    """Chaque processus de la machine et son parent."""
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return
    for name in names:
        try:
            stat = Path(f"/proc/{name}/stat").read_bytes()
        except OSError:  # il vient de finir
            continue
        yield int(name), int(stat.rpartition(b")")[2].split()[1])


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def written(folder: Path, known: int) -> int:
    """Les octets ajoutés à ce dossier, qui en contenait `known` ; au-delà du permis, s'arrête."""
    total, waiting = -known, [str(folder)]
    while waiting and total <= DISK:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # si profond que l'on n'y voit plus rien
                return DISK + 1
            continue
        for entry in entries:
            total += 4096  # des fichiers vides prennent de la place aussi
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


def listening(ancestor: int, claimed: set[int]) -> set[int]:
    """Ceux de ces ports TCP où les descendants de ce processus écoutent vraiment.

    Là où /proc n'existe pas, il faut les croire.
    """
    if not os.path.exists("/proc/self/fd"):
        return claimed
    pids = descendants(ancestor)
    inodes = {inode for pid in pids for inode in _sockets(pid)}
    tables = {table for pid in pids for table in _tables(pid)} if inodes else set()
    return {port for port, inode in tables if inode in inodes} & claimed


def _sockets(pid: int) -> Iterator[str]:
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(entry.path)
            except OSError:
                continue
            if target.startswith("socket:["):
                yield target[len("socket:[") : -1]
    except OSError:
        return


def _tables(pid: int) -> Iterator[tuple[int, str]]:
    """(port, inode) de chaque socket en écoute dans le réseau de ce processus."""
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A":  # LISTEN
                yield int(local.rpartition(":")[2], 16), inode
