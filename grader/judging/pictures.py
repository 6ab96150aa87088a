"""Ce que Redis voit d'une conversation, et ce que le programme retient de ses clients."""

import asyncio
from collections.abc import Callable

from grader.judging.stage import Stage
from grader.running.bases import Place, Snapshot, appeared, gone_or_changed
from grader.verdict import Event

WRITES = 2  # secondes pour qu'une arrivée ou un départ se lise dans la base


class Picture:
    """Une scène photographiée avant et après une arrivée, puis après un départ ; rien sans Redis.

    `footprint` est la trace de l'arrivée, `changed` ce que le départ en a effacé ou changé,
    `registries` ce que le programme gardait alors de ses clients, vu de l'intérieur.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage, self._redis = stage, stage.redis
        self.commands = stage.redis.commands if stage.redis else []
        self.footprint: list[Place] = []
        self.changed: list[Place] = []
        self.registries: Event | None = None
        self.understood = False  # la trace porte le pseudo de l'arrivant

    async def before_arrival(self) -> None:
        if self._redis:
            self._before = await self._redis.snapshot()

    async def arrival(self, names: list[str]) -> None:
        """`names` : ceux qui sont là, l'arrivant en dernier."""
        if self._redis:
            self.footprint = await self._poll(lambda now: appeared(self._before, now))
            self.registries = await self._stage.server.ask({"pseudos": names})
            self._arrived = await self._redis.snapshot()
            trace = [(place, self._arrived.get(place)) for place in self.footprint]
            self.understood = names[-1] in repr(trace).casefold()

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
