"""Des photographies de Redis pendant une conversation, et ce que le programme retient."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from grader.judging.conversation import Moment
from grader.judging.stage import Stage
from grader.running.bases import Place, RedisWatch, Snapshot, appeared, gone_or_changed
from grader.verdict import Event

WRITES = 2  # secondes pour qu'une arrivée ou un départ se lise dans la base


@dataclass(frozen=True)
class Picture:
    """Ce que Redis a vu d'une conversation : la trace d'une arrivée, et ce qu'un départ en a fait.

    `registries` : ce que le programme gardait de ses clients, vu de l'intérieur.
    """

    footprint: list[Place] = field(default_factory=list)
    changed: list[Place] = field(default_factory=list)
    understood: bool = False  # la trace porte le pseudo de l'arrivant
    registries: Event | None = None
    commands: list[list[str]] = field(default_factory=list)


class Photographer:
    """Regarde le Redis d'une scène, s'il y en a un, avant et après une arrivée puis un départ."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._before: Snapshot = {}
        self._arrived: Snapshot = {}
        self._footprint: list[Place] = []
        self._changed: list[Place] = []
        self._registries: Event | None = None
        self._newcomer = ""

    async def watch(self, moment: Moment, names: list[str]) -> None:
        redis = self._stage.redis
        if redis is None:
            return
        if moment == Moment.BEFORE_ARRIVAL:
            self._newcomer = names[-1]
            self._before = await redis.snapshot()
        elif moment == Moment.ARRIVAL:
            self._footprint = await _poll(redis, lambda now: appeared(self._before, now))
            self._registries = await self._stage.served.program.ask({"pseudos": names})
            self._arrived = await redis.snapshot()
        else:
            self._changed = await _poll(
                redis, lambda now: gone_or_changed(self._footprint, self._arrived, now)
            )

    def picture(self) -> Picture:
        trace = [(place, self._arrived.get(place)) for place in self._footprint]
        return Picture(
            self._footprint,
            self._changed,
            bool(self._newcomer) and self._newcomer in repr(trace).casefold(),
            self._registries,
            list(self._stage.redis.commands) if self._stage.redis else [],
        )


async def _poll(redis: RedisWatch, look: Callable[[Snapshot], list[Place]]) -> list[Place]:
    """Ce que `look` voit dans Redis, dès qu'il y voit quelque chose."""
    for _ in range(WRITES * 20):
        if found := look(await redis.snapshot()):
            return found
        await asyncio.sleep(0.05)
    return []
