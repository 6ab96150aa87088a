"""La salle : lire le stream une fois pour toutes les connexions du serveur, et le leur passer."""

import asyncio
from collections import deque
from typing import Any

from redis.exceptions import RedisError
from websockets.asyncio.server import broadcast

from .logs import log
from .members import Member, Members
from .protocol import ROOM, Entry, announcement, read_page
from .text import Code

BATCH = 100  # entrées par trame : la plus longue reste sous le Mio que lit un client
REST = 0.015  # secondes de repos entre deux trames : ce qui arrive entre-temps partira ensemble
RECENT = 32  # trames gardées : qui rattrape la salle par Redis en aurait toujours une de retard
MAX_UNREAD = 2**20  # octets qu'un client peut laisser en attente avant d'être écarté
RETRY = 1  # seconde avant de redemander à un Redis muet


class Room:
    """La salle, jusqu'à `position` : tout ce qui la précède est passé aux membres en direct."""

    def __init__(self, hasty: Any, patient: Any, members: Members):
        self.position = "$"
        # Pour chaque position récente, la suivante, et ce qui s'est passé de l'une à l'autre.
        self._recent: deque[tuple[str, tuple[str, list[Entry]]]] = deque(maxlen=RECENT)
        self._hasty, self._patient, self._members = hasty, patient, members

    async def open(self) -> None:
        """Part de la dernière entrée du stream ou, s'il est vide, de l'heure de Redis."""
        seconds, microseconds = await self._patient.time()
        self.position = f"{seconds * 1000 + microseconds // 1000 - 1}-0"
        for entry_id, _ in await self._patient.xrevrange(ROOM, count=1):
            self.position = entry_id

    async def follow(self) -> None:
        """Passe sans fin ce qui arrive ; si Redis s'absente, la position dit d'où reprendre."""
        silent = False
        while True:
            try:
                reply = await self._hasty.xread({ROOM: self.position}, count=BATCH, block=2000)
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
            if reply:
                ids, entries = read_page(reply[0][1])
                if entries:
                    self._pass_on(entries)
                    self._dismiss(entries)
                self._recent.append((self.position, (ids[-1], entries)))
                self.position = ids[-1]
                if len(ids) < BATCH:
                    await asyncio.sleep(REST)

    async def catch_up(self, member: Member) -> None:
        """Envoie à un membre ce qui s'est passé depuis sa position, puis le fait suivre en direct.
        Entre la dernière comparaison et là, pas d'await : rien ne manque ni ne double."""
        position = member.position
        while position != (target := self.position):
            if recent := dict(self._recent).get(position):
                position, entries = recent
            else:
                raw = await self._patient.xrange(ROOM, f"({position}", target, count=BATCH)
                ids, entries = read_page(raw)
                position = ids[-1] if len(ids) == BATCH else target
            if lines := [entry.line() for entry in entries if member.gets(entry)]:
                await member.websocket.send("\n".join(lines))
        self._members.live[member.websocket] = member

    def _pass_on(self, entries: list[Entry]) -> None:
        """Passe des entrées à chaque membre en direct, en une trame, sans ses propres lignes."""
        lines = [(entry, entry.line()) for entry in entries]
        authors = {entry.author for entry in entries}
        live = self._members.live
        speakers = [member for member in live.values() if member.author in authors]
        silent = live.keys() - {member.websocket for member in speakers}
        broadcast(silent, "\n".join(line for _, line in lines))
        for member in speakers:
            me, gets = member.author, member.gets
            if others := [line for entry, line in lines if entry.author != me or gets(entry)]:
                broadcast([member.websocket], "\n".join(others))

    def _dismiss(self, entries: list[Entry]) -> None:
        """Écarte qui a été remplacé, et qui ne lit pas, dont la mémoire grossirait sans fin."""
        for entry in entries:
            if entry.kind == "return" and (member := self._members.present.get(entry.previous)):
                self._members.dismiss(member, Code.TAKEN_OVER)
        for websocket, member in list(self._members.live.items()):
            if websocket.transport.get_write_buffer_size() > MAX_UNREAD:
                self._members.dismiss(member, Code.LATER)

    def _tell(self, sentence: str) -> None:
        """Annonce aux membres en direct ce que Redis ne peut pas annoncer."""
        broadcast(self._members.live, announcement(sentence))
