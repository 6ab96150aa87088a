"""Des gens qui parlent à un rythme donné, et le compte de ce qui arrive à destination."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

from websockets.exceptions import ConnectionClosed

from .chat import Chatter
from .processes import Server
from .room import Room


class Crowd:
    """Des gens d'une salle. `sent` : quand chaque texte est parti ; `authors` : qui parle."""

    def __init__(self, room: Room):
        self._room = room
        self.sent: dict[str, float] = {}
        self.authors: dict[str, Chatter] = {}
        self._tasks: dict[str, asyncio.Task] = {}

    async def arrive(self, server: Server, *pseudos: str) -> None:
        people = await asyncio.gather(*(self._room.join(pseudo, server) for pseudo in pseudos))
        self.authors |= dict(zip(pseudos, people, strict=True))

    def start(self, rate: float, padding: str = "", count: float = math.inf) -> None:
        """Fait parler chacun `rate` fois par seconde, `count` fois au plus."""
        for pseudo in self.authors:
            self.start_one(pseudo, rate, padding, count)

    def start_one(
        self, pseudo: str, rate: float, padding: str = "", count: float = math.inf
    ) -> None:
        talk = self._talk(pseudo, rate, padding, count)
        self._tasks[pseudo] = asyncio.create_task(talk)

    async def _talk(self, pseudo: str, rate: float, padding: str, count: float) -> None:
        author = self.authors[pseudo]
        first = sum(text.startswith(f"{pseudo}-") for text in self.sent)
        number, start = 0, time.perf_counter()
        with suppress(ConnectionClosed):  # son serveur est mort : le scénario le fera revenir
            while number < count:
                text = f"{pseudo}-{first + number}{padding}"
                self.sent[text] = time.perf_counter()
                await author.say(text)
                number += 1
                await asyncio.sleep(max(0, start + number / rate - time.perf_counter()))

    async def finish(self) -> None:
        """Attend que chacun ait tout dit, quand il parle un nombre de fois donné."""
        await asyncio.gather(*self._tasks.values())

    async def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def end(self, *witnesses: Chatter, timeout: float = 20) -> None:
        """Fait taire tout le monde, et attend que chaque témoin ait entendu chacun jusqu'au bout.

        Les messages d'un auteur gardent leur ordre : entendre son dernier, c'est les avoir tous.
        """
        await self.stop()
        for pseudo, author in self.authors.items():
            await author.say(f"{pseudo}-fin")
        for witness in witnesses:
            for pseudo in (who for who, author in self.authors.items() if author is not witness):
                await witness.hear(f"{pseudo}-fin", timeout)

    def latencies(self, witness: Chatter, since: float = 0, until: float = math.inf) -> list[float]:
        """Les durées, en secondes, entre l'envoi et l'écoute de ce qui est parti entre-temps.

        Un message pas encore entendu compte pour le temps qu'il attend déjà.
        """
        now = time.perf_counter()
        sent = [item for item in self.sent.items() if since <= item[1] < until]
        return [witness.heard_at.get(text, now) - departure for text, departure in sent]


def percentile(values: Iterable[float], rank: float) -> float:
    """La valeur que `rank` % des valeurs ne dépassent pas."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * rank / 100))]


def in_ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def lost_and_doubled(expected: Iterable[str], heard: list[str]) -> tuple[list[str], list[str]]:
    """Ce qui manque à `heard`, et ce qui y est plusieurs fois."""
    counts = Counter(heard)
    lost = [text for text in expected if not counts[text]]
    return lost, [text for text, times in counts.items() if times > 1]


def check_exact(expected: list[str], *heard_by: list[str]) -> None:
    """Exige que chaque témoin ait entendu l'ordre commun `expected`, depuis son premier message.

    Compte sinon ce qui manque, double ou change de place.
    """
    lost = doubled = misplaced = 0
    for heard in heard_by:
        since = expected[expected.index(heard[0]) :] if heard else expected
        missing, repeated = lost_and_doubled(since, heard)
        lost += len(missing)
        doubled += len(repeated)
        misplaced += not missing and not repeated and heard != since
    assert not (lost or doubled or misplaced), (
        f"{len(heard_by)} témoins de {len(expected)} messages : {lost} manquants, "
        f"{doubled} en double, {misplaced} témoins dans un autre ordre"
    )
