"""Le flux de Redis : ce qui se passe dans la salle, dans l'ordre, pour tous les serveurs."""

from contextlib import suppress
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from .logs import log
from .protocol import Entry

ROOM = "{chatroom}:room"
GROUP = "history"  # ce groupe retient ce qui est copié dans MongoDB
CONSUMER = "servers"  # tous les serveurs à la fois : chacun reprend ce qu'un autre a laissé
BATCH = 100  # entrées par trame : la plus longue reste sous le Mio que lit un client
COPY_BATCH = 500  # entrées copiées d'un coup


class Page(NamedTuple):
    """Un morceau du flux : les ids de toutes ses entrées, et celles d'entre elles à nous."""

    ids: list[str]
    entries: list[Entry]


class Stream:
    """Le flux, lu par un client de Redis."""

    def __init__(self, redis: "Redis"):
        self._redis: Any = redis  # ses réponses ont trop de types pour être déclarées

    async def last_position(self) -> str:
        """Rend l'id de la dernière entrée, ou l'heure de Redis s'il n'y en a pas : un serveur qui
        démarre suit la salle de là."""
        last = await self._redis.xrevrange(ROOM, count=1)
        seconds, microseconds = await self._redis.time()
        now = f"{seconds * 1000 + microseconds // 1000 - 1}-0"
        return str(last[0][0]) if last else now

    async def news(self, position: str) -> Page:
        """Attend ce qui suit une position ; rend une page vide s'il ne vient rien en 2 s."""
        reply = await self._redis.xread({ROOM: position}, count=BATCH, block=2000)
        return page(reply[0][1] if reply else [])

    async def between(self, position: str, last: str) -> Page:
        """Rend ce qui suit une position, jusqu'à une autre incluse."""
        return page(await self._redis.xrange(ROOM, f"({position}", last, count=BATCH))

    async def last_said(self, newest: str, oldest: str, count: int) -> list[Entry]:
        """Rend les derniers messages entre deux ids inclus, au moins `count` s'il y en a autant."""
        said: list[Entry] = []
        while True:
            ids, entries = page(await self._redis.xrevrange(ROOM, newest, oldest, count=1000))
            said += [entry for entry in entries if entry.kind == "say"]
            if len(ids) < 1000 or len(said) >= count:
                return said
            newest = f"({ids[-1]}"

    # Le groupe : chaque entrée lue va à un seul serveur, et y revient tant qu'aucun ne l'acquitte.

    async def create_group(self) -> None:
        with suppress(ResponseError):  # un autre serveur l'a créé entre-temps
            await self._redis.xgroup_create(ROOM, GROUP, "0", mkstream=True)

    async def fresh(self) -> Page:
        """Rend les entrées que personne n'a encore prises pour les copier."""
        reply = await self._redis.xreadgroup(GROUP, CONSUMER, {ROOM: ">"}, count=COPY_BATCH)
        return page(reply[0][1] if reply else [])

    async def abandoned(self, idle: int) -> Page:
        """Rend celles dont la copie a commencé il y a plus de `idle` secondes : leur serveur est
        mort, figé ou sans MongoDB."""
        arguments = ROOM, GROUP, CONSUMER, idle * 1000
        _, entries, *gone = await self._redis.xautoclaim(*arguments, count=COPY_BATCH)
        if gone:
            [gone] = gone
        else:  # avant Redis 7, celles qui ont disparu du flux sont sans nom, et à acquitter
            entries = [entry for entry in entries if entry[0]]
            gone = await self._vanished()
            await self.acknowledge(gone)
        if gone:
            log.warning("%d entrée(s) sorties du flux avant d'être copiées : perdues", len(gone))
        return page(entries)

    async def _vanished(self) -> list[str]:
        """Rend les ids que le groupe attend encore et qui ne sont plus dans le flux."""
        waiting = await self._redis.xpending_range(ROOM, GROUP, "-", "+", COPY_BATCH)
        ids = [one["message_id"] for one in waiting]
        pipeline = self._redis.pipeline(transaction=False)
        for entry_id in ids:
            pipeline.xrange(ROOM, entry_id, entry_id)
        found = await pipeline.execute()
        return [entry_id for entry_id, entries in zip(ids, found, strict=True) if not entries]

    async def acknowledge(self, ids: list[str]) -> None:
        """Dit que ces entrées sont copiées, ou qu'elles ne sont pas à copier."""
        if ids:
            await self._redis.xack(ROOM, GROUP, *ids)

    async def copied_position(self) -> str:
        """Rend l'id avant lequel tout est dans MongoDB (« - », le début, si rien n'y est)."""
        for group in await self._redis.xinfo_groups(ROOM):
            if group["name"] == GROUP:
                pending = await self._redis.xpending(ROOM, GROUP)
                return str(pending["min"] or group["last-delivered-id"])
        return "-"


def page(raw: list[tuple[str, dict[str, str]]]) -> Page:
    """Lit un morceau du flux."""
    entries = (Entry.parse(entry_id, fields) for entry_id, fields in raw)
    return Page([entry_id for entry_id, _ in raw], [entry for entry in entries if entry])
