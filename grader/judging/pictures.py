"""Ce que Redis voit d'une conversation, et ce que le programme retient de ses clients."""

import asyncio
from collections import Counter
from collections.abc import Callable

from grader.judging.stage import Stage
from grader.running.snapshot import Place, Snapshot, appeared, gone_or_changed, kind
from grader.verdict import Event

WRITING = {"SET", "SETNX", "SETEX", "PSETEX", "MSET", "GETSET", "HSET", "HSETNX", "HMSET", "SADD",
           "ZADD", "LPUSH", "RPUSH", "LSET", "XADD", "APPEND"}  # fmt: skip
WRITES = 2  # secondes pour qu'une arrivée ou un départ se lise dans la base
LOOK = 0.05  # seconde d'une photo à l'autre
IDLE = 20  # photos prises pendant que rien ne se passe
NEW, OFTEN = 3, 6  # deux naissances sous un nouveau nom, ou six en tout, sont du bruit


class Picture:
    """Une scène photographiée avant et après une arrivée, puis après un départ ; rien sans Redis.

    `footprint` est la trace de l'arrivée, `changed` ce que le départ en a effacé ou changé,
    `registries` ce que le programme gardait alors de ses clients, vu de l'intérieur.
    `noise` : les sortes de clés qui vont et viennent toutes seules ; elles ne prouvent rien.
    `written` : les commandes qui écrivaient, même si un accident a tout effacé aussitôt.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage, self._redis = stage, stage.redis
        self.commands = stage.redis.commands if stage.redis else []
        self.footprint: list[Place] = []
        self.changed: list[Place] = []
        self.written: list[list[str]] = []
        self.noise: set[Place] = set()
        self._listened = False
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
            self._his = {one[0][:2] for one in trace if name in repr(one).casefold()}
            if not self._his and name not in repr(self.written).casefold():
                await self._leave_noise_out()

    async def together(self, names: list[str]) -> None:
        """`names` : ceux qui sont là."""
        if self._redis:
            self.registries = await self._stage.server.ask({"pseudos": names})

    async def departure(self) -> None:
        if self._redis:
            self.changed = await self._poll(self._gone_or_changed)
            if self.changed and not any(place[:2] in self._his for place in self.changed):
                await self._listen()
                self.changed = await self._poll(self._gone_or_changed)

    def _gone_or_changed(self, now: Snapshot) -> list[Place]:
        changed = gone_or_changed(self.footprint, self._arrived, now)
        return [place for place in changed if kind(place) not in self.noise]

    async def _leave_noise_out(self) -> None:
        """D'une trace anonyme, ôte ce qui vient aussi quand personne n'arrive."""
        mark = len(self.commands)
        if self.footprint or self.written:
            await self._listen()
        idle = {kind(tuple(words[:2])) for words in self.commands[mark:]}
        self.written = [words for words in self.written if kind(tuple(words[:2])) not in idle]
        self.footprint = [place for place in self.footprint if kind(place) not in self.noise]

    async def _listen(self) -> None:
        """Retient, une fois, les sortes de clés qui naissent encore et encore sans raison.

        Une clé que l'on prolonge, ou qui expire entre deux battements, garde son nom.
        """
        if self._listened:
            return
        self._listened = True
        births: Counter[Place] = Counter()
        known, last = {*self._before, *self._arrived}, self._arrived
        for _ in range(IDLE if self._redis else 0):
            await asyncio.sleep(LOOK)
            now = await self._redis.snapshot() if self._redis else last
            for one, old in {(kind(place), place in known) for place in now.keys() - last.keys()}:
                births[one] += 1 if old else NEW
            last = now
        self.noise = {one for one, times in births.items() if times >= OFTEN}

    async def _poll(self, look: Callable[[Snapshot], list[Place]]) -> list[Place]:
        """Ce que `look` voit dans Redis, dès qu'il y voit quelque chose."""
        for _ in range(int(WRITES / LOOK) if self._redis else 0):
            if self._redis and (found := look(await self._redis.snapshot())):
                return found
            await asyncio.sleep(LOOK)
        return []
