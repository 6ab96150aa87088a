"""Les verdicts en clair, dans une langue, et la note qu'ils font."""

from typing import Any

from grader.table import BONUS, OUT_OF, Check, Table
from grader.verdict import State, Verdict

Record = dict[str, Any]  # une vérification, un étudiant : comme dans resultats.json


def record(check: Check, verdict: Verdict, table: Table, language: str) -> Record:
    """Le verdict en clair, comme dans resultats.json."""

    def spoken(section: str, key: str, params: dict[str, Any]) -> str:
        return table.say(section, key, language, **readable(params, language))

    hint = ""
    if verdict.state == State.FAILED:
        hint = check.texts[language]["hint"]
        if verdict.mistake:
            hint = spoken("mistakes", *verdict.mistake)
    return {
        "id": check.id,
        "state": verdict.state.value,
        "points": check.points if verdict.good else 0,
        "max": check.points,
        "sentence": check.texts[language]["sentence"],
        "rationale": check.texts[language]["rationale"],
        "hint": hint,
        "expected": check.texts[language]["expected"],
        "actual": spoken("came", verdict.came, verdict.params),
        "output": verdict.params.get("output", "") if verdict.state == State.FAILED else "",
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


def mark(checks: list[Record]) -> Record:
    """La note d'un étudiant : sur ce qui a pu être essayé, ramenée à 20 ; le bonus à côté.

    Rend {"score", "max", "raw", "tried", "missing", "bonus"} ; `score` est None si rien n'a pu
    être essayé.
    """
    main = [check for check in checks if not check["id"].startswith(BONUS)]
    raw = sum(check["points"] for check in main)
    total = sum(check["max"] for check in main)
    missing = sum(check["max"] for check in main if check["state"] == State.COULD_NOT_RUN)
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


def student_of(
    name: str, folder: str, found: dict[str, Record], drives: dict[str, str], table: Table
) -> Record:
    """Un étudiant comme dans resultats.json : sa note et ses vérifications, dans l'ordre."""
    checks = [found[check] for check in table.checks if check in found]
    return {"name": name, "folder": folder, **mark(checks), "how_driven": drives, "checks": checks}
