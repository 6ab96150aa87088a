"""Le tableau d'un étudiant dans le terminal, et la ligne qui dit qu'il est noté."""

from collections import Counter

from grader.reporting.record import Record
from grader.reporting.speech import SIGNS, Speech, flat, is_empty
from grader.table import STEPS
from grader.verdict import State

WIDTH = 96
INDENT = " " * 37


def progress(student: Record, speech: Speech) -> str:
    counts = Counter(check["state"] for check in student["checks"])
    states = ", ".join(speech.titled(s, counts[s]) for s in SIGNS if counts[s])
    return f"{student['name']}{speech.colon}{speech.marks(student)[0]} — {states}"


def table_lines(student: Record, speech: Speech) -> list[str]:
    """Le tableau d'un étudiant pour le terminal."""
    lines = ["", f"─── {student['name']} " + "─" * max(3, WIDTH - len(student["name"]) - 5)]
    if is_empty(student):
        lines.append(speech.say("empty"))
    for step in STEPS:
        lines.append(speech.say(f"step_{step}"))
        told = ""  # la même raison n'est dite qu'une fois de suite
        for check in student["checks"]:
            if check["id"].partition(".")[0] == step:
                lines += check_lines(check, speech)
                if check["state"] == State.NOT_REACHED and check["actual"] != told:
                    lines.append(f"{INDENT}{flat(check['actual'])}")
                told = check["actual"]
    return [*lines, *speech.marks(student)]


def check_lines(check: Record, speech: Speech) -> list[str]:
    lines = [
        f"  {SIGNS[check['state']]} {check['id']:<22} {speech.points(check):>9}  "
        + check["sentence"]
    ]
    if check["state"] == State.FAILED:
        lines += [INDENT + flat(check["actual"]), INDENT + flat(check["hint"])]
    elif check["state"] == State.COULD_NOT_RUN:
        lines.append(INDENT + speech.titled(State.COULD_NOT_RUN, flat(check["actual"])))
    return lines + [INDENT + speech.titled("remark", flat(text)) for text in check["remarks"]]
