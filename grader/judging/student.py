"""Un étudiant en cours de notation : son rendu, et ce qu'une étape apprend pour la suivante."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from grader.finding.handin import HandIn
from grader.judging.mistakes import recognise
from grader.learning.dialect import Dialect
from grader.learning.lesson import Lesson, learn
from grader.running.desk import Desk
from grader.running.mirror import read
from grader.running.screen import Door, Screen
from grader.verdict import Came, CouldNotRun, Verdicts, remarks_of

if TYPE_CHECKING:
    from grader.judging.attempt import Attempt


class Student:
    """`driven` : étape -> l'essai par lequel on a parlé à son serveur ; `drives` le raconte."""

    def __init__(self, hand_in: HandIn) -> None:
        self.hand_in = hand_in
        self.desk = Desk(self.hand_in)
        self.lessons: dict[str, Lesson] = {}
        self.driven: dict[str, Attempt] = {}
        self.drives: dict[str, str] = {}

    def has(self, role: str) -> bool:
        return role in self.hand_in.scripts

    def try_instead(self, role: str, path: Path) -> None:
        """Donne ce rôle à un autre fichier, et oublie ce que le premier avait appris."""
        self.hand_in.scripts[role] = path
        self.lessons.pop(role, None)
        self.desk.launcher.forget(role)

    def clients(self, *steps: str) -> list[str]:
        """Les rôles des clients de chat de ces étapes, dans l'ordre où les essayer."""
        roles = [f"{step}.client{kind}" for step in steps for kind in ("", ".html", ".js")]
        return [role for role in roles if self.has(role) and not self._is_loaded(role)]

    def _is_loaded(self, role: str) -> bool:
        """Vrai pour un script que charge la page de la même étape : c'est le même client."""
        page = role.removesuffix(".js") + ".html"
        return role.endswith(".js") and self.has(page) and self.desk.is_for_pages(role)

    async def speaker(self, *steps: str) -> tuple[str | None, Lesson | None]:
        """Le client de chat de ces étapes qui se laisse piloter, à défaut celui qui en est le plus
        près, et sa leçon.
        """
        best: tuple[str | None, Lesson | None] = next(iter(self.clients(*steps)), None), None
        for role in self.clients(*steps):
            lesson = await self.lesson_or_none(role)
            if lesson and (best[1] is None or lesson.worth > best[1].worth):
                best = role, lesson
            if lesson and lesson.dialect:
                break
        return best

    async def lesson(self, role: str) -> Lesson:
        """Ce que le client de ce rôle apprend, une fois pour toutes."""
        if role not in self.lessons:
            self.lessons[role] = await self._learn(role)
        return self.lessons[role]

    async def lesson_or_none(self, role: str | None) -> Lesson | None:
        """La leçon, ou None sans client, ou si notre machine ne peut pas le lancer."""
        try:
            return await self.lesson(role) if role else None
        except CouldNotRun:
            return None

    async def relearn(self, role: str, url: str) -> Lesson:
        """La leçon, reprise face au vrai serveur : il en dira plus que le faux."""
        if self.lessons[role].connected:
            again = await self._learn(role, url)
            if again.dialect:
                self.lessons[role] = again
        return self.lessons[role]

    async def _learn(self, role: str, url: str = "") -> Lesson:
        async def open_client(door: Door) -> Screen:
            return await self.desk.open(role, door)

        return await learn(open_client, url)

    def lacking(self, url: str) -> CouldNotRun:
        """Une page veut cette adresse, d'Internet : dit si --installer y peut quelque chose."""
        curable = read(url) and not self.hand_in.packages
        return CouldNotRun(Came.NEEDS_MIRROR if curable else Came.NEEDS_INTERNET, url=url)

    def retain(self, step: str, attempt: Attempt) -> None:
        """Dit comment l'on a parlé à ce serveur ; s'il a livré, les suivants en profiteront."""
        if attempt.talk.delivered:
            self.driven[step] = attempt
        self.drives[step] = attempt.how

    def dialect(self, step: str) -> Dialect | None:
        """Celui dans lequel le serveur de cette étape a livré un message."""
        return self.driven[step].dialect if step in self.driven else None

    def explain(self, verdicts: Verdicts, role: str, program: Screen | None = None) -> Verdicts:
        """Ajoute à chaque échec la faute reconnue qui l'explique, et au premier verdict les
        remarques sur le programme qu'il faut expliquer.
        """
        output, events = (program.output, program.events) if program else ("", [])
        for check, verdict in verdicts.items():
            if verdict.bad:
                verdict.mistake = recognise(self.hand_in.code(role), check, output, events)
        if program and (first := next(iter(verdicts.values()), None)):
            noted = [*program.remarks, *remarks_of(events)]
            first.remarks += [note for note in noted if note not in first.remarks]
        return verdicts
