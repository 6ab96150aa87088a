"""Trouver comment parler à un serveur de chat, d'essai en essai, chacun sur un serveur neuf.

Dans le dialecte du client de l'étudiant ; à défaut par deux vrais clients de l'étudiant ; à défaut
dans un dialecte deviné du code, ou connu.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from enum import IntEnum

from grader.clock import patience
from grader.judging.conversation import Talk, Told, converse
from grader.judging.pictures import Picture
from grader.judging.room import Newcomer, Room, guests, people
from grader.judging.stage import Opening, Stage
from grader.judging.student import Student
from grader.learning.dialect import Dialect, Source, word, words
from grader.learning.known import from_code, known
from grader.learning.lesson import Lesson
from grader.learning.wire import REFUSED, mentions
from grader.running.enclosure import current
from grader.running.program import Program
from grader.running.screen import tail

# Les erreurs qui, dans le code du serveur, sont des fautes quel que soit le dialecte.
BUGS = ("NameError", "UnboundLocalError", "AttributeError", "has no attribute", "IndentationError",
        "redis.exceptions.DataError", "redis.exceptions.ResponseError")  # fmt: skip
GUESSING = 25  # secondes passées à deviner un dialecte


@dataclass(frozen=True)
class Attempt:
    """Ce qu'un essai a montré : la conversation, ce que le serveur a laissé, ce que Redis a vu."""

    talk: Talk
    server: Program  # arrêté
    picture: Picture
    dialect: Dialect | None  # None : par de vrais clients
    certain: bool = True  # faux : on n'a peut-être pas su parler à ce serveur

    @property
    def output(self) -> str:
        """La fin de ce que le serveur a écrit."""
        return tail(self.server.output)

    @property
    def worth(self) -> int:
        entered = self.talk.join == Told.NAMED or self.picture.understood
        return 4 * self.talk.delivered + 2 * entered + self.talk.opened

    @property
    def fault(self) -> bool:
        """Le serveur s'est trompé tout seul."""
        return self.talk.opened and any(bug in self.server.output for bug in BUGS)

    @property
    def conclusive(self) -> bool:
        """Le mot est passé, ou le serveur a compris l'arrivée, ou s'est trompé tout seul."""
        deaf = not self.server.url or self.talk.error.startswith("TimeoutError")
        return self.worth >= 2 or deaf or self.fault

    @property
    def how(self) -> str:
        """Comment on lui a parlé, pour le rapport."""
        if not self.certain:
            return Source.NONE.value
        return self.dialect.how if self.dialect else Source.END_TO_END.value


class Reached(IntEnum):
    """Jusqu'où va un dialecte que l'on essaie."""

    NOTHING = 0
    REDIS = 1  # le pseudo y est écrit
    EARS = 2  # l'autre a entendu
    NAME = 3  # et il sait qui


@dataclass(frozen=True)
class Way:
    """De quoi parler au serveur d'une étape : ses scènes, et le client du rendu s'il y en a un."""

    student: Student
    step: str
    open: Opening
    role: str | None
    lesson: Lesson | None

    def sure(self) -> list[Dialect]:
        """Les dialectes sûrs : celui du client, et celui qui a marché à une autre étape."""
        student, step = self.student, self.step
        mine = self.lesson.dialect if self.lesson else None
        # Sans réponse du vrai serveur, un message de plus peut être une réponse à sa question.
        learned = [mine, replace(mine, more=1)] if mine else []
        others = [student.dialect(other) for other in student.driven if other != step]
        found = [student.dialect(step), *learned, *others]
        return unique([dialect for dialect in found if dialect])

    def newcomer(self, stage: Stage, dialect: Dialect | None) -> Newcomer:
        """Ce qui fait entrer quelqu'un ; sans dialecte, un vrai client de l'étudiant."""
        if dialect:
            return guests(stage.server, dialect)
        assert self.role and self.lesson
        return people(self.student, stage.server, self.role, self.lesson)

    async def attempt(self, dialect: Dialect | None) -> Attempt:
        """Une conversation sur un serveur neuf ; sans dialecte, par de vrais clients."""
        async with self.open() as stage:
            picture, talk = Picture(stage), Talk(words(3, 3), words(6, 4))
            if stage.server.url:
                newcomer = self.newcomer(stage, dialect)
                talk = await converse(newcomer, talk.names, talk.texts, picture)
            await stage.server.end()
            return Attempt(talk, stage.server, picture, dialect)

    async def attempts(self) -> AsyncGenerator[Attempt]:
        """Les essais, du plus sûr au plus hasardeux."""
        sure, lesson = self.sure(), self.lesson
        for dialect in sure:
            yield await self.attempt(dialect)
        if lesson and lesson.connected and lesson.spoke:
            yield await self.attempt(None)
        own = self.role is not None and self.role.startswith(self.step)
        if not sure or not own:
            for dialect in await self.guess(GUESSING / (2 if sure else 1)):
                yield await self.attempt(dialect)

    async def guess(self, seconds: float) -> list[Dialect]:
        """Essaie, trois à la fois, les dialectes devinés ou connus ; rend ceux qui marchent, à
        défaut le premier dont le serveur a écrit le pseudo dans Redis.
        """
        guesses = unique(from_code(self.student.hand_in, f"{self.step}.server") + known())
        found: list[tuple[Reached, Dialect]] = []
        more = len(guesses)
        begin = time.monotonic()
        while guesses and more and time.monotonic() - begin < seconds * patience():
            if current().flooded:  # plus rien n'en sera entendu
                break
            batch, guesses, more = guesses[:3], guesses[3:], more - 1
            found += zip(await asyncio.gather(*map(self._probe, batch)), batch, strict=True)
            best = max(reached for reached, _ in found)
            if best == Reached.NAME:
                break
            if best == Reached.EARS:  # le salut n'est peut-être pas le bon
                more = min(more, 2)
        found.sort(key=lambda one: -one[0])
        good = [dialect for reached, dialect in found if reached >= Reached.EARS]
        return good[:3] or [dialect for reached, dialect in found if reached][:1]

    async def _probe(self, dialect: Dialect) -> Reached:
        """B puis A entrent, A parle : jusqu'où cela va-t-il ?"""
        async with self.open() as stage:
            if not stage.server.url:
                return Reached.NOTHING
            name, text, heard, named = word(), word(4), None, False
            try:
                async with Room(guests(stage.server, dialect)) as room:
                    b, a = await room.enter(word()), await room.enter(name)
                    await a.say(text)
                    heard = await b.wait(text, 1.5)
                    named = any(mentions(frame, name) for frame in b.after(0))
            except REFUSED:
                pass
            if heard is not None:
                return Reached.NAME if named else Reached.EARS
            kept = stage.redis and name in repr(stage.redis.commands).casefold()
            return Reached.REDIS if kept else Reached.NOTHING


async def drive(way: Way) -> Attempt:
    """Le premier essai concluant, à défaut le meilleur ; retenu s'il a livré un message."""
    best: Attempt | None = None
    async with aclosing(way.attempts()) as attempts:
        async for tried in attempts:
            if tried.conclusive:
                guessed = tried.dialect and tried.dialect.source in (Source.KNOWN, Source.CODE)
                if guessed and not (tried.talk.delivered or tried.fault):
                    tried = replace(tried, certain=False)
                way.student.retain(way.step, tried)
                return tried
            if best is None or tried.worth >= best.worth:
                best = tried
    best = best or await way.attempt(known()[0])
    # Quand le client de cette étape ou de I.3, dans son dialecte puis en vrai, n'y arrive pas,
    # c'est sûr.
    theirs = bool(way.role and way.role.startswith((way.step, "i3")))
    learned = any(dialect.source == Source.CLIENT for dialect in way.sure())
    spoke = bool(way.lesson and way.lesson.spoke)
    best = replace(best, certain=theirs and (learned or spoke))
    way.student.retain(way.step, best)
    return best


def unique(dialects: list[Dialect]) -> list[Dialect]:
    """Chaque dialecte une seule fois."""
    seen: dict[str, Dialect] = {}
    for dialect in dialects:
        seen.setdefault(dialect.shown(), dialect)
    return list(seen.values())
