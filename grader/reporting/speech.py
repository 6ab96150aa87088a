"""Dire un résultat dans la langue choisie, sans que le texte d'un rendu y devienne une commande."""

import re

from grader.finding.intake import Notice
from grader.reporting.record import Record
from grader.running.isolation import Isolation
from grader.table import BONUS, OUT_OF, Table
from grader.text import flat
from grader.verdict import State

SIGNS = {State.PASSED: "✓", State.FAILED: "✗", State.NOT_REACHED: "·", State.COULD_NOT_RUN: "?"}


class Speech:
    """Les mots des comptes rendus, dans une langue."""

    def __init__(self, table: Table, language: str) -> None:
        self.table, self.language = table, language
        # Le deux-points et ses espaces : le français en met une devant.
        self.colon = " : " if language == "fr" else ": "

    def say(self, key: str, **params: object) -> str:
        return self.table.say("words", key, self.language, **params)

    def titled(self, key: str, text: object) -> str:
        """« Remarque : … »"""
        return f"{self.say(key)}{self.colon}{text}"

    def number(self, value: float) -> str:
        text = f"{value:g}"
        return text.replace(".", ",") if self.language == "fr" else text

    def points(self, check: Record, over: str = "/") -> str:
        untried = check["state"] == State.COULD_NOT_RUN
        earned = "?" if untried else self.number(check["points"])
        return f"{earned}{over}{self.number(check['max'])}"

    def between(self, low: float, high: float) -> str:
        """« 12 », ou « 12–15 » tant que ce n'est pas définitif."""
        return self.number(low) if low == high else f"{self.number(low)}–{self.number(high)}"

    def score(self, student: Record) -> str:
        return self.between(student["score_min"], student["score_max"])

    def bonus(self, student: Record) -> str:
        """« + 1,5 », ou rien s'il n'y en a pas à espérer."""
        if not student["bonus_max"]:
            return ""
        return f"+ {self.between(student['bonus_min'], student['bonus_max'])}"

    def notices(self, told: list[Notice]) -> list[str]:
        """Ce qui se dit avant la note."""
        return [self.table.say("notices", key, self.language, **params) for key, params in told]

    def guard(self, student: Record) -> str:
        """La garde sous laquelle il a tourné, et ce qu'elle ne tient pas."""
        return self.say(f"isolation_{student['isolation']}")

    def trouble(self, found: Isolation) -> list[str]:
        """Pour qui note, et s'il n'a pas la plus forte : pourquoi, et qu'y faire."""
        if not found.trouble:
            return []
        return [self.say(f"remedy_{found.remedy}", trouble=flat(found.trouble))]

    def marks(self, student: Record) -> list[str]:
        """La note et le bonus ; en capitales, qu'il reste à essayer."""
        key = "mark" if student["final"] else "provisional"
        line = self.say(key, score=self.score(student), out_of=OUT_OF)
        if student["bonus_max"]:
            line += f"   ({self.say('bonus')} {self.bonus(student)})"
        lines = [line]
        if count := len(student["untried"]):
            lines.append(self.say("untried", count=count))
        if not student["complete"]:
            lines.append(self.say("interrupted"))
        return lines


def is_empty(student: Record) -> bool:
    """Vrai si rien de ce qui a été rendu n'a pu être lancé : le détail n'apprendrait rien."""
    return all(check["state"] == State.NOT_REACHED for check in student["checks"])


def is_bonus(check: Record) -> bool:
    return str(check["id"]).startswith(BONUS)


def plain(text: str) -> str:
    """Le texte d'un rendu ne doit pas devenir du HTML ni du Markdown actif dans le rapport."""
    return re.sub(r"([<>|*_\[\]])", r"\\\1", flat(text))
