"""Noter un étudiant : lancer chaque part du travail une fois, et en garder les verdicts."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from grader import chat, echo, sessions
from grader.handin import HandIn
from grader.launch import CouldNotRun
from grader.sandbox import PATIENCE
from grader.student import Student
from grader.table import BONUS, OUT_OF, Check, Table
from grader.verdict import COULD_NOT_RUN, FAILED, PASSED, Verdict, could_not_run, not_reached

UNIT_SECONDS = 100  # une part du travail ne prend jamais plus, quoi que fasse le rendu

UNITS: dict[str, Callable[[Student], Awaitable[dict[str, Verdict]]]] = {
    "i1.server": echo.server,
    "i1.client": lambda student: echo.client(student, "i1.client", "i1.client"),
    "i2.client": lambda student: echo.client(
        student, "i2.client", *student.page_first("i2.client.js", "i2.client.html")
    ),
    "i3.server": chat.server,
    "i3.client": chat.client,
    "ii2.server": sessions.redis_server,
    "ii3.server": sessions.mongo_server,
}
# Les rôles dont un seul suffit pour que la part ait un sens.
ROLES = {
    "i2.client": ("i2.client.js", "i2.client.html"),
    "i3.client": ("i3.client", "i3.client.html", "i3.client.js"),
}
# Ce qu'une part apprend et qui sert à une autre.
FIRST = {"i3.client": "i3.server", "ii2.server": "i3.server", "ii3.server": "ii2.server"}


class Grading:
    """La notation d'un dossier ; chaque part du travail n'est lancée que si on la demande."""

    def __init__(self, folder: Path, table: Table):
        self.table = table
        self.student = Student(HandIn(folder))
        self._units: dict[str, dict[str, Verdict]] = {}

    @property
    def name(self) -> str:
        return self.student.hand_in.name

    def verdict(self, check: Check) -> Verdict:
        """Le verdict d'une vérification, une fois ses dépendances connues."""
        found = self._unit(check.unit).get(check.id)
        if found is not None and found.state == PASSED:
            return found
        for name in check.needs:
            need = self.table.checks[name]
            state = self.verdict(need).state
            if state == COULD_NOT_RUN:
                return self.verdict(need)
            if state != PASSED:
                return not_reached("needs", sentence=need)
        if found is None:
            return self._unfinished(check)
        return found

    def _unfinished(self, check: Check) -> Verdict:
        """Sans verdict : cette part s'est arrêtée avant, ou le correcteur a tort."""
        for name, verdict in self._unit(check.unit).items():
            if verdict.state == COULD_NOT_RUN:
                return verdict
            if verdict.state == FAILED:
                return not_reached("needs", sentence=self.table.checks[name])
        return could_not_run("grader_error", error=f"pas de verdict pour {check.id}")

    def _unit(self, unit: str) -> dict[str, Verdict]:
        if unit not in self._units:
            if before := FIRST.get(unit):
                self._unit(before)
            begin = time.monotonic()
            self._units[unit] = self._run(unit)
            for verdict in self._units[unit].values():
                verdict.seconds = round(time.monotonic() - begin, 2)
        return self._units[unit]

    def _run(self, unit: str) -> dict[str, Verdict]:
        checks = [check for check in self.table.checks.values() if check.unit == unit]
        roles = ROLES.get(unit, (unit,))
        if not any(role in self.student.hand_in.scripts for role in roles):
            return {c.id: not_reached("absent", file=expected_name(c.role)) for c in checks}
        try:
            return asyncio.run(self._bounded(unit))
        except CouldNotRun as reason:
            return {c.id: could_not_run(reason.key, **reason.params) for c in checks}
        except TimeoutError:
            seconds = str(round(UNIT_SECONDS * PATIENCE))
            return {c.id: could_not_run("too_long", seconds=seconds) for c in checks}
        except Exception as error:  # une faute du correcteur ne coûte rien à l'étudiant
            reason = f"{type(error).__name__}: {error}"
            return {c.id: could_not_run("grader_error", error=reason) for c in checks}

    async def _bounded(self, unit: str) -> dict[str, Verdict]:
        async with asyncio.timeout(UNIT_SECONDS * PATIENCE):
            try:
                return await UNITS[unit](self.student)
            finally:
                await self.student.close()


def expected_name(role: str) -> str:
    """Le nom de fichier de l'énoncé : "ii2.server" -> "ws_ii_2_server.py"."""
    step, kind, *suffix = role.split(".")
    return f"ws_{step[:-1]}_{step[-1]}_{kind}.{suffix[0] if suffix else 'py'}"


def record(check: Check, verdict: Verdict, table: Table, language: str) -> dict:
    """Le verdict en clair, comme dans resultats.json."""

    def spoken(section: str, key: str, params: dict) -> str:
        return table.say(section, key, language, **readable(params, language))

    hint = ""
    if verdict.state == FAILED:
        hint = check.texts[language]["hint"]
        if verdict.mistake:
            hint = spoken("mistakes", *verdict.mistake)
    return {
        "id": check.id,
        "state": verdict.state,
        "points": check.points if verdict.state == PASSED else 0,
        "max": check.points,
        "sentence": check.texts[language]["sentence"],
        "rationale": check.texts[language]["rationale"],
        "hint": hint,
        "expected": check.texts[language]["expected"],
        "actual": spoken("came", verdict.came, verdict.params),
        "output": verdict.params.get("output", "") if verdict.state == FAILED else "",
        "remarks": [spoken("remarks", key, params) for key, params in verdict.remarks],
        "seconds": verdict.seconds,
        "messages": verdict.messages,
    }


def readable(params: dict, language: str) -> dict:
    """Les paramètres d'une phrase ; une vérification y devient sa propre phrase."""
    return {
        name: value.texts[language]["sentence"] if isinstance(value, Check) else value
        for name, value in params.items()
    }


def mark(checks: list[dict]) -> dict:
    """La note d'un étudiant : sur ce qui a pu être essayé, ramenée à 20 ; le bonus à côté.

    Rend {"score", "max", "raw", "tried", "missing", "bonus"} ; `score` est None si rien n'a pu
    être essayé.
    """
    main = [check for check in checks if not check["id"].startswith(BONUS)]
    raw = sum(check["points"] for check in main)
    total = sum(check["max"] for check in main)
    missing = sum(check["max"] for check in main if check["state"] == COULD_NOT_RUN)
    tried = total - missing
    bonus = sum(check["points"] for check in checks if check["id"].startswith(BONUS))
    score = round(raw * OUT_OF / tried, 2) if tried else None
    return {
        "score": score,
        "max": OUT_OF,
        "raw": raw,
        "tried": tried,
        "missing": missing,
        "bonus": min(bonus, 2.0),
    }
