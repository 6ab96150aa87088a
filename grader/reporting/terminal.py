"""Au terminal : qui vient d'être noté, le tableau de la classe, le détail d'un étudiant."""

from collections import Counter
from collections.abc import Iterator

from grader.reporting.record import Record
from grader.reporting.speech import SIGNS, Speech, is_empty
from grader.table import STEPS
from grader.text import flat
from grader.verdict import State

WIDTH = 96
REASONS = 12  # raisons dites au plus, les plus fréquentes d'abord
INDENT = " " * 37


def progress(student: Record, done: int, total: int, speech: Speech) -> str:
    """« 3/30  Ada : Note : 12,5 / 20 — réussi : 20, échoué : 1 »"""
    counts = Counter(check["state"] for check in student["checks"])
    states = ", ".join(speech.titled(s, counts[s]) for s in SIGNS if counts[s])
    return f"{done}/{total}  {student['name']}{speech.colon}{speech.marks(student)[0]} — {states}"


def class_lines(students: list[Record], speech: Speech) -> Iterator[str]:
    """Le tableau de la classe : une ligne par étudiant, dans l'ordre des noms."""
    say = speech.say
    steps = [say(f"step_{step}").split()[0].ljust(5) for step in STEPS]
    wide = max([len(say("student")), *(len(student["name"]) for student in students)])
    head = [
        say("student").ljust(wide),
        say("score").ljust(14),
        say("bonus_short").ljust(12),
        *steps,
    ]
    yield ""
    yield "  ".join(head)
    for student in students:
        shares = [share(student, step).ljust(5) for step in STEPS]
        warning = "" if student["final"] else say("provisional_short")
        cells = [student["name"].ljust(wide), speech.score(student).ljust(14)]
        yield "  ".join([*cells, speech.bonus(student).ljust(12), *shares, warning]).rstrip()


def untried_lines(students: list[Record], speech: Speech) -> Iterator[str]:
    """Ce qui n'a pas été essayé, et chez combien : une raison n'est dite qu'une fois."""
    reasons = Counter(
        reason
        for student in students
        for reason in {
            flat(check["actual"])
            for check in student["checks"]
            if check["state"] == State.COULD_NOT_RUN
        }
    )
    if reasons:
        yield ""
    for reason, count in reasons.most_common(REASONS):
        yield speech.titled(State.COULD_NOT_RUN, f"({count}) {reason}")


def share(student: Record, step: str) -> str:
    """« 5/8 » : les vérifications réussies d'une étape."""
    checks = [check for check in student["checks"] if check["id"].partition(".")[0] == step]
    good = sum(check["state"] == State.PASSED for check in checks)
    return f"{good}/{len(checks)}"


def table_lines(student: Record, speech: Speech) -> list[str]:
    """Le tableau d'un étudiant."""
    lines = ["", f"─── {student['name']} " + "─" * max(3, WIDTH - len(student["name"]) - 5)]
    lines += speech.notices(student["notices"])
    for step in () if is_empty(student) else STEPS:
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
