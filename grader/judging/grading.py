"""Noter un étudiant : lancer chaque part du travail une fois, et en garder les verdicts."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from grader.clock import PATIENCE, alarm, patience
from grader.finding.handin import HandIn
from grader.judging import chat_client, chat_server, echo, echo_client, history, sessions
from grader.judging.student import Student
from grader.running.enclosure import enclosed
from grader.table import Check, Table
from grader.verdict import Came, CouldNotRun, State, Verdict, Verdicts, could_not_run, not_reached

CLOSING = 20  # secondes de plus, pour tout arrêter, avant que l'alarme ne sonne
UNIT_SECONDS = 150  # une part du travail ne prend jamais plus, quoi que fasse le rendu
SECONDS = 600  # ni toutes ensemble, même sur une machine chargée : le rendu peut l'avoir chargée
ENOUGH = 5  # secondes : avec moins, rien ne se juge


@dataclass(frozen=True)
class Unit:
    """`roles` : un seul suffit pour que la part ait un sens. `after` apprend ce qui sert ici."""

    judge: Callable[[Student], Awaitable[Verdicts]]
    roles: tuple[str, ...]
    after: str = ""


UNITS = {
    "i1.server": Unit(echo.server, ("i1.server",)),
    "i1.client": Unit(echo_client.python_client, ("i1.client",)),
    "i2.client": Unit(echo_client.javascript_client, ("i2.client.js", "i2.client.html")),
    "i3.server": Unit(chat_server.server, ("i3.server",)),
    "i3.client": Unit(
        chat_client.client, ("i3.client", "i3.client.html", "i3.client.js"), after="i3.server"
    ),
    "ii2.server": Unit(sessions.server, ("ii2.server",), after="i3.server"),
    "ii3.server": Unit(history.server, ("ii3.server",), after="ii2.server"),
}


def chain(unit: str) -> str:
    """La première part de celles qui s'enchaînent jusqu'à celle-ci : elles vont ensemble."""
    return chain(UNITS[unit].after) if UNITS[unit].after else unit


class Grading:
    """La notation d'un dossier ; chaque part du travail n'est lancée que si on la demande."""

    def __init__(self, hand_in: HandIn | Path, table: Table) -> None:
        self.table = table
        self.student = Student(HandIn(hand_in) if isinstance(hand_in, Path) else hand_in)
        self._units: dict[str, Verdicts] = {}
        self._left = SECONDS * PATIENCE

    def verdict(self, check: Check) -> Verdict:
        """Le verdict d'une vérification, une fois ses dépendances connues."""
        found = self._unit(check.unit).get(check.id)
        if found and found.good:
            return found
        for need in map(self.table.checks.__getitem__, check.needs):
            verdict = self.verdict(need)
            if verdict.state == State.COULD_NOT_RUN:
                return verdict
            if not verdict.good:
                return not_reached(Came.NEEDS, sentence=need)
        return found or self._unfinished(check)

    def _unfinished(self, check: Check) -> Verdict:
        """Sans verdict : cette part s'est arrêtée avant, ou le correcteur a tort."""
        for name, verdict in self._unit(check.unit).items():
            if verdict.state == State.COULD_NOT_RUN:
                return verdict
            if verdict.bad:
                return not_reached(Came.NEEDS, sentence=self.table.checks[name])
        return could_not_run(Came.GRADER_ERROR, error=f"pas de verdict pour {check.id}")

    def _unit(self, name: str) -> Verdicts:
        if name not in self._units:
            if before := UNITS[name].after:
                self._unit(before)
            begin = time.monotonic()
            self._units[name] = self._run(name)
            for verdict in self._units[name].values():
                verdict.seconds = round(time.monotonic() - begin, 2)
        return self._units[name]

    def _run(self, name: str) -> Verdicts:
        if not any(map(self.student.has, UNITS[name].roles)):
            return {check.id: self._absent(name) for check in self._checks(name)}
        best = self._once(name)
        for role in UNITS[name].roles:
            for path in self.student.hand_in.others.get(role, [])[:2]:
                best = self._or_instead(name, role, path, best)
        return best

    def _or_instead(self, name: str, role: str, path: Path, best: Verdicts) -> Verdicts:
        """Les verdicts d'un autre candidat à ce rôle, s'il fait mieux ; sinon rien n'a changé."""
        if self._earned(best) == sum(check.points for check in self._checks(name)):
            return best
        student = self.student
        before = student.hand_in.scripts[role], dict(student.driven), dict(student.drives)
        student.try_instead(role, path)
        other = self._once(name)
        if self._earned(other) > self._earned(best):
            return other
        student.try_instead(role, before[0])
        student.driven, student.drives = before[1:]
        return best

    def _earned(self, verdicts: Verdicts) -> float:
        return sum(self.table.checks[name].points for name in verdicts if verdicts[name].good)

    def _checks(self, unit: str) -> list[Check]:
        return [check for check in self.table.checks.values() if check.unit == unit]

    def _once(self, name: str) -> Verdicts:
        begin, pace = time.monotonic(), patience()
        seconds = min(UNIT_SECONDS * pace, self._left)
        try:
            if seconds < ENOUGH:
                raise CouldNotRun(Came.ALL_TOO_LONG, seconds=str(round(SECONDS * PATIENCE)))
            with alarm(seconds / pace + CLOSING):
                return asyncio.run(self._bounded(name, seconds))
        except CouldNotRun as reason:
            verdict = could_not_run(reason.came, **reason.params)
        except TimeoutError:
            verdict = could_not_run(Came.TOO_LONG, seconds=str(round(seconds)))
        except PermissionError:  # un voisin a fermé nos dossiers
            verdict = could_not_run(Came.CLOSED)
        except Exception as error:  # une faute du correcteur ne coûte rien à l'étudiant
            verdict = could_not_run(Came.GRADER_ERROR, error=f"{type(error).__name__}: {error}")
        finally:
            self._left -= time.monotonic() - begin
        return {check.id: replace(verdict) for check in self._checks(name)}

    def _absent(self, name: str) -> Verdict:
        """Le fichier n'est pas là ; mais il est peut-être dans ce qui n'a pas pu s'ouvrir."""
        if unread := self.student.hand_in.unread:
            return could_not_run(Came.UNREAD, what=unread)
        return not_reached(Came.ABSENT, file=expected_name(UNITS[name].roles[0]))

    async def _bounded(self, name: str, seconds: float) -> Verdicts:
        async with enclosed() as enclosure, asyncio.timeout(seconds):
            try:
                verdicts = await UNITS[name].judge(self.student)
            finally:
                await self.student.desk.close()
        if enclosure.closed:  # par un voisin, ou par lui : ses échecs ne prouvent plus rien
            for check in [check for check in verdicts if verdicts[check].bad]:
                verdicts[check] = could_not_run(Came.CLOSED)
        for verdict in list(verdicts.values())[:1]:
            verdict.remarks += enclosure.cuts
        return verdicts


def expected_name(role: str) -> str:
    """Le nom de fichier de l'énoncé : "ii2.server" -> "ws_ii_2_server.py"."""
    step, kind, *suffix = role.split(".")
    return f"ws_{step[:-1]}_{step[-1]}_{kind}.{suffix[0] if suffix else 'py'}"
