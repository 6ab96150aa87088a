"""Les connexions de ce serveur : qui est là, qui suit la salle en direct, comment s'en séparer."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection

from .protocol import Entry, order
from .text import Code

CLOSE_DELAY = 2  # secondes laissées à un client pour lire la fermeture


@dataclass(eq=False, slots=True)
class Member:
    """Une connexion qui a une session."""

    websocket: ServerConnection
    session: str
    owner: str  # désigne la connexion
    author: str  # signe ce que dit la session
    entered: str  # l'id de son arrivée dans le flux
    position: str  # d'où elle suit la salle

    def gets(self, entry: Entry) -> bool:
        """Dit si une entrée est pour elle : tout, sauf ce qui vient d'elle-même.

        À un retour, ce qu'elle avait dit avant d'être coupée lui revient : c'était bien passé.
        """
        if entry.author != self.author:
            return True
        return entry.kind == "say" and order(entry.id) < order(self.entered)


class Members:
    """Les membres présents sur ce serveur ; `live` : ceux qui suivent la salle en direct."""

    def __init__(self) -> None:
        self.live: dict[ServerConnection, Member] = {}
        self.present: dict[str, Member] = {}  # par `owner`
        self._live_by_author: defaultdict[str, set[Member]] = defaultdict(set)
        self._closing: set[asyncio.Task[None]] = set()  # asyncio n'en garderait pas la trace

    def speaking_as(self, authors: Iterable[str]) -> list[Member]:
        """Rend les membres en direct qui signent ainsi."""
        signed = (self._live_by_author.get(author, ()) for author in authors)
        return [member for members in signed for member in members]

    def listen(self, member: Member) -> None:
        """Le membre a rattrapé la salle : il la suit désormais en direct."""
        self.live[member.websocket] = member
        self._live_by_author[member.author].add(member)

    def remove(self, member: Member) -> None:
        self.present.pop(member.owner, None)
        self._silence(member)

    def dismiss(self, member: Member, code: Code, reason: str) -> None:
        """Ferme la connexion d'un membre, sans attendre ; il ne reçoit déjà plus rien."""
        self._silence(member)
        task = asyncio.create_task(part(member.websocket, code, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _silence(self, member: Member) -> None:
        self.live.pop(member.websocket, None)
        same = self._live_by_author[member.author]
        same.discard(member)
        if not same:
            del self._live_by_author[member.author]


async def part(websocket: ServerConnection, code: Code, reason: str) -> None:
    """Ferme une connexion, et la coupe si la fermeture n'est pas lue à temps.

    Sans cela, un client qui ne lit plus rien, pas même la fermeture, garderait sa mémoire.
    """
    try:
        async with asyncio.timeout(CLOSE_DELAY):
            await websocket.close(code, reason)
    except TimeoutError:
        websocket.transport.abort()
