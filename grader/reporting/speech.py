"""Dire un résultat dans la langue choisie, sans que le texte d'un rendu y devienne une commande."""

import re

from grader.reporting.record import Record
from grader.table import BONUS, Table
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
        return f"{self.number(check['points'])}{over}{self.number(check['max'])}"

    def marks(self, student: Record) -> list[str]:
        """La note, le bonus, et en capitales ce qui n'a pas pu être essayé."""
        if student["score"] is None:
            return [self.say("nothing_tried")]
        line = self.say("mark", score=self.number(student["score"]))
        if student["bonus"]:
            line += f"   ({self.say('bonus', bonus=self.number(student['bonus']))})"
        if not student["missing"]:
            return [line]
        figures = {key: self.number(student[key]) for key in ("raw", "tried", "missing")}
        return [line, self.say("rescaled", **figures)]


def flat(text: str) -> str:
    """Une seule ligne, sans rien qui commande un terminal : un rendu contient n'importe quoi."""
    text = re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)
    return text if len(text) <= 300 else text[:297] + "…"


def is_empty(student: Record) -> bool:
    return all(check["state"] == State.NOT_REACHED for check in student["checks"])


def is_bonus(check: Record) -> bool:
    return str(check["id"]).startswith(BONUS)


def plain(text: str) -> str:
    """Le texte d'un rendu ne doit pas devenir du HTML ni du Markdown actif dans le rapport."""
    return re.sub(r"([<>|*_\[\]])", r"\\\1", flat(text))
