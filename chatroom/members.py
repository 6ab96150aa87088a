"""Les connexions de ce serveur : qui est là, qui suit la salle en direct, comment s'en séparer."""

import asyncio
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection

from .protocol import Entry, order
from .text import Code

CLOSE_DELAY = 2  # secondes laissées à un client pour lire la fermeture
REASONS = {
    Code.SILENT: "session expirée, reviens",
    Code.LATER: "tu lis trop lentement",
    Code.TAKEN_OVER: "session reprise ailleurs",
}


@dataclass(eq=False, slots=True)
class Member:
    """Une connexion qui a une session."""

    websocket: ServerConnection
    session: str
    owner: str  # désigne la connexion
    author: str  # signe ce que dit la session
    entered: str  # l'id de son arrivée dans le stream
    position: str  # d'où elle suit la salle

    def gets(self, entry: Entry) -> bool:
        """Dit si une entrée est pour elle : ce qui vient des autres et, à un retour, ce qu'elle
        avait dit avant d'être coupée."""
        mine = entry.author == self.author
        return not mine or (entry.kind == "say" and order(entry.id) < order(self.entered))


class Members:
    """Les membres présents sur ce serveur ; `live` : ceux qui suivent la salle en direct."""

    def __init__(self) -> None:
        self.live: dict[ServerConnection, Member] = {}
        self.present: dict[str, Member] = {}  # par `owner`
        self._closing: set[asyncio.Task[None]] = set()  # asyncio n'en garderait pas la trace

    def remove(self, member: Member) -> None:
        self.present.pop(member.owner, None)
        self.live.pop(member.websocket, None)

    def dismiss(self, member: Member, code: int) -> None:
        """Ferme la connexion d'un membre, sans attendre ; il ne reçoit déjà plus rien."""
        self.live.pop(member.websocket, None)
        task = asyncio.create_task(part(member.websocket, code, REASONS[Code(code)]))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def part(websocket: ServerConnection, code: int, reason: str) -> None:
    """Ferme une connexion, et la coupe si son client ne lit plus rien, pas même la fermeture."""
    try:
        async with asyncio.timeout(CLOSE_DELAY):
            await websocket.close(code, reason)
    except TimeoutError:
        websocket.transport.abort()
