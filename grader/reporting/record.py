"""Les verdicts en clair, dans une langue, comme dans resultats.json."""

from typing import Any

from grader.finding.intake import HandedIn
from grader.reporting.mark import mark_of
from grader.running.isolation import isolation
from grader.table import Check, Table
from grader.text import clean, quoted
from grader.verdict import State, Verdict

Record = dict[str, Any]  # une vérification, un étudiant : comme dans resultats.json


def record(check: Check, verdict: Verdict, table: Table, language: str) -> Record:
    """Le verdict en clair, comme dans resultats.json."""

    def spoken(section: str, key: str, params: dict[str, Any]) -> str:
        return clean(table.say(section, key, language, **readable(params, language)))

    hint = ""
    if verdict.state == State.FAILED:
        hint = check.texts[language]["hint"]
        if verdict.mistake:
            hint = spoken("mistakes", *verdict.mistake)
    return {
        "id": check.id,
        "state": verdict.state.value,
        "came": verdict.came.value,
        "points": check.points if verdict.good else 0,
        "max": check.points,
        "sentence": check.texts[language]["sentence"],
        "rationale": check.texts[language]["rationale"],
        "hint": hint,
        "expected": check.texts[language]["expected"],
        "actual": spoken("came", verdict.came, verdict.params),
        "output": clean(verdict.params.get("output", "")) if verdict.bad else "",
        "remarks": [spoken("remarks", key, params) for key, params in verdict.remarks],
        "seconds": verdict.seconds,
        "messages": verdict.messages,
    }


def readable(params: dict[str, Any], language: str) -> dict[str, Any]:
    """Les paramètres d'une phrase ; une vérification y devient sa propre phrase."""
    return {
        name: value.texts[language]["sentence"] if isinstance(value, Check) else value
        for name, value in params.items()
    }


def student_of(
    who: HandedIn, found: dict[str, Record], drives: dict[str, str], table: Table
) -> Record:
    """Un étudiant comme dans resultats.json : sa note et ses vérifications, dans l'ordre.

    Interrompu, il lui en manque : elles n'ont pas été essayées.
    """
    checks = [found[check] for check in table.checks if check in found]
    mark = mark_of({check["id"]: check["state"] for check in checks}, table)
    return {
        "name": who.shown,
        "identifier": who.number,
        "folder": quoted(str(who.source)),
        "file": who.file,
        **mark.fields(),
        "complete": len(checks) == len(table.checks),
        "isolation": isolation().way,
        "notices": who.notices,
        "how_driven": drives,
        "checks": checks,
    }
