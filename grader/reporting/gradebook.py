"""notes.csv : une ligne par étudiant, pour un tableur ou un carnet de notes."""

import csv
import io

from grader.reporting.record import Record
from grader.reporting.speech import Speech
from grader.verdict import State

SEPARATORS = {"fr": ";", "en": ","}  # un tableur français prend la virgule pour celle des nombres
FORMULAS = ("=", "+", "-", "@")


def gradebook(students: list[Record], speech: Speech) -> str:
    """`note` est vide tant que la note n'est pas définitive : un import saute alors la ligne."""
    checks = list(speech.table.checks)
    text = io.StringIO(newline="")
    # Tout entre guillemets : LibreOffice propose de couper aux virgules comme aux points-virgules.
    writer = csv.writer(text, delimiter=SEPARATORS[speech.language], quoting=csv.QUOTE_ALL)
    writer.writerow([*speech.say("columns").split(), *checks])
    for student in students:
        points = {check["id"]: _points(check, speech) for check in student["checks"]}
        row = [_text(student["name"]), student["identifier"]]
        row += [_number(student[key], speech) for key in ("score", "score_min", "score_max", "max")]
        row += [_number(student[key], speech) for key in ("bonus_min", "bonus_max")]
        row.append(str(len(student["untried"])))
        writer.writerow([*row, *(points.get(check, "?") for check in checks)])
    return "\ufeff" + text.getvalue()  # sans cette marque, Excel ne lit pas l'UTF-8


def _points(check: Record, speech: Speech) -> str:
    untried = check["state"] == State.COULD_NOT_RUN
    return "?" if untried else speech.number(check["points"])


def _number(value: float | None, speech: Speech) -> str:
    return "" if value is None else speech.number(value)


def _text(name: str) -> str:
    """Une cellule ne doit pas devenir une formule."""
    return "'" + name if name.startswith(FORMULAS) else name
