"""L'enclos d'une part du travail : sa garde, son réseau, et ce qu'il a fallu y arrêter.

Tout ce qui se lance ou se connecte pendant cette part s'y trouve sans qu'on le lui passe.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from grader.running.bounds import FRAMES
from grader.running.bubblewrap import Bubble, confined
from grader.running.guard import Guard, Order
from grader.running.isolation import Way, isolation
from grader.running.landlock import Kept
from grader.running.network import MachineNetwork, Network, OwnNetwork
from grader.verdict import Note, Remark


class Enclosure:
    """`bubblewrap` : son programme, ou rien. `cuts` : ce que le rapport dira.

    `closed` : quelqu'un a fermé, pendant qu'un rendu y tournait, un dossier du correcteur.
    """

    def __init__(self, network: Network, bubblewrap: str = "") -> None:
        self.network, self.bubblewrap = network, bubblewrap
        self.cuts: list[Note] = []
        self.closed = False
        self._received = 0

    def guard(self, order: Order, terminal: int) -> Guard:
        """Lance un programme sous garde, devant ce terminal."""
        if self.bubblewrap:
            return Bubble(self.bubblewrap, self.network, order, terminal)
        return Kept(order, terminal)

    def shut(self, places: list[str], room: int) -> list[str]:
        """Ce qui, devant une commande, l'enferme avec ces dossiers-là ; rien sans bubblewrap."""
        if not self.bubblewrap:
            return []
        return confined(self.bubblewrap, self.network, places, room)

    def cut(self, remark: Remark, **params: str) -> None:
        """Note, une fois, ce que l'on vient d'arrêter ou de refuser."""
        if (remark, params) not in self.cuts:
            self.cuts.append((remark, params))

    def receives(self, size: int) -> bool:
        """Compte des octets reçus du rendu ; faux quand il y en a trop."""
        self._received += size
        if self.flooded:
            self.cut(Remark.CUT_FRAMES, limit=str(FRAMES // 1_000_000))
        return not self.flooded

    @property
    def flooded(self) -> bool:
        """Vrai si l'on n'écoute plus rien de ce rendu."""
        return self._received > FRAMES


_current: ContextVar[Enclosure] = ContextVar("enclos")


def current() -> Enclosure:
    """Celui de la part en cours ; hors de toute part, la machine telle qu'elle est."""
    return _current.get(None) or Enclosure(MachineNetwork())


@asynccontextmanager
async def enclosed() -> AsyncIterator[Enclosure]:
    """Un enclos neuf, pour la durée du bloc."""
    found = await asyncio.to_thread(isolation)
    strong = found.way == Way.BUBBLEWRAP
    network: Network = OwnNetwork(found.program) if strong else MachineNetwork()
    enclosure = Enclosure(network, found.program if strong else "")
    token = _current.set(enclosure)
    try:
        yield enclosure
    finally:
        _current.reset(token)
        network.close()
