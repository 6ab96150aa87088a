"""Ce que Redis voit d'une conversation, et ce que le programme retient de ses clients."""

import asyncio
from collections.abc import Callable

from grader.judging.stage import Stage
from grader.running.snapshot import Place, Snapshot, appeared, gone_or_changed
from grader.verdict import Event

WRITING = {"SET", "SETNX", "SETEX", "PSETEX", "MSET", "GETSET", "HSET", "HSETNX", "HMSET", "SADD",
           "ZADD", "LPUSH", "RPUSH", "LSET", "XADD", "APPEND"}  # fmt: skip
WRITES = 2  # secondes pour qu'une arrivée ou un départ se lise dans la base


class Picture:
    """Une scène photographiée avant et après une arrivée, puis après un départ ; rien sans Redis.

    `footprint` est la trace de l'arrivée, `changed` ce que le départ en a effacé ou changé,
    `registries` ce que le programme gardait alors de ses clients, vu de l'intérieur.
    `written` : les commandes qui écrivaient, même si un accident a tout effacé aussitôt.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage, self._redis = stage, stage.redis
        self.commands = stage.redis.commands if stage.redis else []
        self.footprint: list[Place] = []
        self.changed: list[Place] = []
        self.written: list[list[str]] = []
        self.registries: Event | None = None
        self.understood = False  # la trace, ou une commande, porte le pseudo de l'arrivant

    async def before_arrival(self) -> None:
        if self._redis:
            self._before, self._commands = await self._redis.snapshot(), len(self.commands)

    async def arrival(self, name: str) -> None:
        """`name` : celui qui vient d'entrer."""
        if self._redis:
            self.footprint = await self._poll(lambda now: appeared(self._before, now))
            self._arrived = await self._redis.snapshot()
            seen = self.commands[self._commands :]
            self.written = [words for words in seen if words[0].upper() in WRITING]
            trace = [(place, self._arrived.get(place)) for place in self.footprint]
            self.understood = name in repr((trace, seen)).casefold()

    async def together(self, names: list[str]) -> None:
        """`names` : ceux qui sont là."""
        if self._redis:
            self.registries = await self._stage.server.ask({"pseudos": names})

    async def departure(self) -> None:
        if self._redis:
            self.changed = await self._poll(
                lambda now: gone_or_changed(self.footprint, self._arrived, now)
            )

    async def _poll(self, look: Callable[[Snapshot], list[Place]]) -> list[Place]:
        """Ce que `look` voit dans Redis, dès qu'il y voit quelque chose."""
        for _ in range(WRITES * 20 if self._redis else 0):
            if self._redis and (found := look(await self._redis.snapshot())):
                return found
            await asyncio.sleep(0.05)
        return []
