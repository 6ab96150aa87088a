"""La salle : lire le flux une fois pour toutes les connexions de ce serveur, et le leur passer."""

import asyncio
from collections import defaultdict

from redis.exceptions import RedisError
from websockets.asyncio.server import broadcast

from .logs import log
from .members import Member, Members
from .protocol import Entry, announcement
from .stream import BATCH, Stream
from .text import Code

REST = 0.015  # secondes de repos entre deux trames : ce qui arrive entre-temps partira ensemble
MAX_UNREAD = 2**20  # octets qu'un client peut laisser en attente avant d'être écarté
RETRY = 1  # seconde avant de redemander à un Redis muet


class Room:
    """La salle, jusqu'à `position` : tout ce qui la précède est passé aux membres en direct."""

    def __init__(self, live: Stream, past: Stream, members: Members, position: str):
        self.position = position
        self._live, self._past, self._members = live, past, members

    async def follow(self) -> None:
        """Passe sans fin ce qui arrive aux membres en direct.

        Redis peut disparaître : la position dit d'où reprendre, et rien ne manque.
        """
        silent = False
        while True:
            try:
                ids, entries = await self._live.news(self.position)
            except RedisError as error:
                if not silent:
                    log.warning("Redis ne répond plus (%s) : les messages attendent", error)
                    self._tell("Redis ne répond plus, tes messages attendent")
                silent = True
                await asyncio.sleep(RETRY)
                continue
            if silent:
                log.info("Redis est de retour")
                self._tell("Redis est de retour")
                silent = False
            if ids:
                if entries:
                    self._pass_on(entries)
                    self._dismiss(entries)
                self.position = ids[-1]
                if len(ids) < BATCH:
                    await asyncio.sleep(REST)

    async def catch_up(self, member: Member) -> None:
        """Envoie à un membre ce qui s'est passé depuis sa position, puis le fait suivre en direct.

        Après la dernière comparaison il n'y a pas d'await : le lecteur ne peut rien passer avant
        que le membre suive en direct, et rien ne manque ni ne double.
        """
        position = member.position
        while position != (target := self.position):
            ids, entries = await self._past.between(position, target)
            lines = [entry.line() for entry in entries if member.gets(entry)]
            if lines:
                await member.websocket.send("\n".join(lines))
            position = ids[-1] if len(ids) == BATCH else target
        self._members.live[member.websocket] = member

    def _pass_on(self, entries: list[Entry]) -> None:
        """Passe des entrées à chaque membre en direct, en une trame, sans ses propres lignes."""
        lines = [entry.line() for entry in entries]
        by_author = defaultdict(list)
        for number, entry in enumerate(entries):
            by_author[entry.author].append(number)
        live = self._members.live
        speakers = [member for member in live.values() if member.author in by_author]
        broadcast(live.keys() - {member.websocket for member in speakers}, "\n".join(lines))
        for member in speakers:
            others = lines.copy()
            for number in reversed(by_author[member.author]):
                if not member.gets(entries[number]):
                    del others[number]
            if others:
                broadcast([member.websocket], "\n".join(others))

    def _dismiss(self, entries: list[Entry]) -> None:
        """Écarte qui a été remplacé, et qui ne lit pas : broadcast() n'attend personne, et sa
        mémoire grossirait."""
        for entry in entries:
            if entry.kind == "return" and (member := self._members.present.get(entry.previous)):
                self._members.dismiss(member, Code.TAKEN_OVER, "session reprise ailleurs")
        for websocket, member in list(self._members.live.items()):
            if websocket.transport.get_write_buffer_size() > MAX_UNREAD:
                self._members.dismiss(member, Code.LATER, "tu lis trop lentement")

    def _tell(self, sentence: str) -> None:
        """Annonce aux membres en direct ce que Redis ne peut pas annoncer."""
        broadcast(self._members.live, announcement(sentence))
