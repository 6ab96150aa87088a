"""Ce qui garde un programme inconnu : sa commande, ce qu'il a le droit de voir, sa fin."""

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from grader.running.scratch import Scratch


@dataclass(frozen=True)
class Order:
    """Un programme à lancer. `events` et `ask` : par où le calque parle au correcteur."""

    command: list[str]
    scratch: Scratch
    folder: Path
    limits: dict[str, int]
    ports: Sequence[int]  # ceux où il a le droit de se connecter
    environment: dict[str, str]
    events: Path
    ask: Path


class Guard(Protocol):
    """Un programme lancé. `exit_code` : le sien, dès qu'il a fini ; `gone` : il n'en reste rien."""

    exit_code: int | None
    gone: bool

    @property
    def root(self) -> int:
        """Le processus dont tout ce qu'il a lancé descend."""

    def disk(self) -> int:
        """Les octets qu'il a écrits."""

    def signal(self, number: int) -> None: ...

    def stop(self) -> None:
        """Tue tout ; `gone` dira quand c'est fait."""

    async def close(self) -> None:
        """Oublie un programme dont il ne reste rien."""


def spawn(command: list[str], descriptors: dict[int, int]) -> int:
    """Lance avec exactement ces descripteurs et un environnement vide ; rend son numéro."""
    # Une copie haute d'abord : une source ne doit pas être écrasée avant d'avoir servi.
    copies = {n: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for n, fd in descriptors.items()}
    actions = [(os.POSIX_SPAWN_DUP2, fd, n) for n, fd in copies.items()]
    try:
        return os.posix_spawn(command[0], command, {}, file_actions=actions)
    finally:
        for fd in copies.values():
            os.close(fd)
