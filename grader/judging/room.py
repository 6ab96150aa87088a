"""Une salle de chat : des clients qui parlent un dialecte, ou de vrais clients de l'étudiant."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Self

from grader.clock import until
from grader.judging.student import Student
from grader.learning.dialect import Dialect
from grader.learning.lesson import Lesson
from grader.learning.wire import Frame, Link, Listener
from grader.running.program import Program
from grader.running.questions import FILLER
from grader.running.screen import Door, Screen

LATE = 2.5  # secondes : certains chats livrent jusqu'à une seconde plus tard


class Guest(Link):
    """Un client du correcteur, qui parle un dialecte."""

    def __init__(self, name: str, dialect: Dialect) -> None:
        super().__init__()
        self.name, self.dialect = name, dialect
        self._ids: dict[str, str] = {}
        self.hello: list[Frame] = []  # ce qu'il a dit pour entrer
        self._said = dialect.more

    async def join(self, url: str) -> "Guest":
        """Arrive ; lève une des erreurs REFUSED si la connexion est refusée."""
        place = self.dialect.address(self.name, self._ids)
        labels = self.dialect.labels(self.name, self._ids)
        await self.open(url + place, labels, self.dialect.protocols)
        seen = 0
        for number in range(len(self.dialect.arrival(self.name, self._ids))):
            # Le client a pu attendre une réponse avant d'envoyer la suite, et devoir la rendre.
            if number or self.dialect.returned:
                await until(partial(self._answered, seen), 0.3)
            seen = self.mark if self.dialect.returned else 0
            self.hello.append(self.dialect.arrival(self.name, self._ids, self.frames)[number])
            await self.send(self.hello[-1])
        await self.settle(0.2)
        return self

    def _answered(self, mark: int) -> bool:
        return self.mark > mark or self.closed

    async def say(self, text: str) -> None:
        said = self.dialect.saying(self.name, text, self._ids, self.frames, self._said)
        self._said += 1
        await self.send(said)


class Person(Listener):
    """Un vrai client de l'étudiant au bout d'un terminal : ses « messages » sont ses lignes."""

    hello: Sequence[Frame] = ()

    def __init__(self, name: str, screen: Screen) -> None:
        self.name, self.screen = name, screen
        self._lines: list[str] = []

    async def join(self, lesson: Lesson, more: int = 0) -> "Person":
        """Répond aux questions de ce client tout juste ouvert comme lors de la leçon.

        `more` : les réponses à donner de plus avant d'être vraiment entré.
        """
        await self.screen.quiet()
        for answer in lesson.speaker.typed:
            if answer == lesson.first_text:
                break
            await self.screen.tell(self.name if answer == lesson.speaker.pseudo else answer)
            await self.screen.quiet(0.2, 1)
        for _ in range(more):
            await self.screen.tell(FILLER)
            await self.screen.quiet(0.2, 1)
        await self.screen.quiet(0.3, 2)
        return self

    def after(self, mark: int) -> list[str]:
        """Les lignes dans l'ordre où elles sont venues : une page en ajoute où elle veut."""
        lines = self.screen.output.splitlines()
        fresh = Counter(lines) - Counter(self._lines)
        for line in lines:
            if fresh[line]:
                fresh[line] -= 1
                self._lines.append(line)
        return self._lines[mark:]

    @property
    def closed(self) -> bool:
        return not self.screen.alive

    async def say(self, text: str) -> None:
        await self.screen.tell(text)

    async def close(self) -> None:
        self.screen.send_signal(signal.SIGINT)
        await until(lambda: not self.screen.alive, 1)
        await self.screen.end()

    async def cut(self) -> None:
        self.screen.send_signal(signal.SIGKILL)
        await until(lambda: not self.screen.alive, 2)
        await self.screen.end()


Member = Guest | Person
Newcomer = Callable[[str], Awaitable[Member]]


def guests(server: Program, dialect: Dialect) -> Newcomer:
    """Ce qui fait entrer un client du correcteur dans ce dialecte."""

    async def newcomer(name: str) -> Member:
        return await Guest(name, dialect).join(server.url)

    return newcomer


def people(student: Student, server: Program, role: str, lesson: Lesson) -> Newcomer:
    """Ce qui fait entrer un vrai client de l'étudiant."""
    known = student.dialect("i3")

    async def newcomer(name: str) -> Member:
        screen = await student.desk.open(role, Door(server.port, name, lesson.without))
        return await Person(name, screen).join(lesson, known.more if known else 0)

    return newcomer


class Room:
    """Ceux qui sont là ; quoi qu'il arrive, tous en sortent à la fin du bloc."""

    def __init__(self, newcomer: Newcomer) -> None:
        self._newcomer = newcomer
        self.present: list[Member] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(member.close() for member in self.present), return_exceptions=True)

    async def enter(self, name: str) -> Member:
        """Fait entrer quelqu'un ; lève une des erreurs REFUSED s'il ne le peut pas."""
        self.present.append(await self._newcomer(name))
        return self.present[-1]

    async def leave(self, member: Member) -> None:
        self.present.remove(member)
        await member.close()

    async def cut(self, member: Member) -> None:
        self.present.remove(member)
        await member.cut()
