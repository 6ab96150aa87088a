"""La classe en une page HTML autonome : ce qui marche, ce qui manque, et le lien vers chacun."""

import html
import re
from collections import Counter
from urllib.parse import quote

from grader.reporting.record import Record
from grader.reporting.speech import Speech
from grader.table import Check
from grader.verdict import Came, State

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd }
td.n { text-align: right; font-variant-numeric: tabular-nums }
@media (min-width: 50rem) { td.n { white-space: nowrap } }
tr { break-inside: avoid }
.bar { display: flex; width: 12rem; height: .8rem; border: 1px solid #777 }
.bar i, .key { print-color-adjust: exact; -webkit-print-color-adjust: exact }
.key { display: inline-block; width: 1rem; height: .8rem; border: 1px solid #777 }
.passed { background: #2a7d4f } .failed { background: #c0392b } .absent { background: #fff }
.not_reached { background: #bbb }
.could_not_run { background: repeating-linear-gradient(45deg, #fff 0 3px, #b58900 3px 6px) }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 }
  a { color: #8ab4f8 } th, td { border-color: #444 } }
@media print { body { color: #000; background: #fff; margin: 0; max-width: none }
  a { color: inherit; text-decoration: none } }
"""
PAGE = """<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style>
<h1>{title}</h1>
<p>{guards}</p>
<p>{mean}</p>
<p>{failure}</p>
<h2>{rate}</h2>
<p>{legend}</p>
<table>
{rows}
</table>
<h2>{marks_title}</h2>
<table>
{marks}
</table>
</html>
"""
ABSENT = Came.ABSENT.value
KINDS = (*(state.value for state in State), ABSENT)  # dans l'ordre de la barre


def coded(sentence: str) -> str:
    """Une phrase de la table en HTML, son code entre accents graves compris."""
    return re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape(sentence))


def class_page(students: list[Record], speech: Speech) -> str:
    """Réussite par vérification, notes, premier échec."""
    people = speech.say("student" if len(students) == 1 else "students")
    title = html.escape(speech.titled("class", f"{len(students)} {people}"))
    checks = speech.table.checks.values()
    return PAGE.format(
        language=speech.language,
        title=title,
        style=STYLE,
        guards=" ".join(sorted({html.escape(speech.guard(student)) for student in students})),
        mean=speech.titled("mean", f"<strong>{_mean(students, speech)}</strong> / 20"),
        failure=speech.titled("first_failure", f"<strong>{_failure(students, speech)}</strong>"),
        rate=html.escape(speech.say("rate")),
        legend=" &nbsp; ".join(
            f'<span class="key {kind}"></span> {html.escape(speech.say(kind))}' for kind in KINDS
        ),
        rows="\n".join(_row(check, students, speech) for check in checks),
        marks_title=html.escape(speech.say("scores")),
        marks="\n".join(_marks(student, speech) for student in students),
    )


def _mean(students: list[Record], speech: Speech) -> str:
    """La moyenne, entre ce qu'elle est au moins et ce qu'elle peut devenir."""
    if not students:
        return "—"
    low, high = (
        round(sum(student[key] for student in students) / len(students), 2)
        for key in ("score_min", "score_max")
    )
    return speech.between(low, high)


def _failure(students: list[Record], speech: Speech) -> str:
    """Le premier échec de chacun : celui qui revient le plus."""
    firsts = Counter(
        first["sentence"]
        for student in students
        if (first := next((c for c in student["checks"] if c["state"] == State.FAILED), None))
    )
    for sentence, count in firsts.most_common(1):
        return f"{coded(sentence)} ({count})"
    return html.escape(speech.say("nobody"))


def _row(check: Check, students: list[Record], speech: Speech) -> str:
    """« 2 des 2 qui l'ont rendu » : qui n'a rien rendu n'a pas échoué."""
    counts = Counter(_kind(check, student) for student in students)
    handed = counts.total() - counts[ABSENT]
    share = speech.say("share", good=counts[State.PASSED], handed=handed)
    bar = "".join(
        f'<i class="{kind}" style="flex:{counts[kind]}" title="{speech.say(kind)}"></i>'
        for kind in KINDS
        if counts[kind]
    )
    untried = speech.titled(State.COULD_NOT_RUN, counts[State.COULD_NOT_RUN])
    note = html.escape(untried) if counts[State.COULD_NOT_RUN] else ""
    sentence = coded(check.texts[speech.language]["sentence"])
    return (
        f'<tr><td>{sentence}</td><td class="n">{html.escape(share)}</td>'
        f'<td><div class="bar">{bar}</div>{note}</td></tr>'
    )


def _kind(check: Check, student: Record) -> str:
    """L'issue de cette vérification, ou l'absence du fichier dont toute sa part dépend."""
    unit = [c for c in student["checks"] if c["id"].rpartition(".")[0] == check.unit]
    if any(one["came"] == ABSENT for one in unit):
        return ABSENT
    states = {one["id"]: str(one["state"]) for one in unit}
    return states.get(check.id, State.COULD_NOT_RUN.value)


def _marks(student: Record, speech: Speech) -> str:
    """Son nom, qui mène à sa page, sa note, et ce qui manque pour qu'elle soit définitive."""
    warning = "" if student["final"] else speech.say("provisional_short")
    return (
        f'<tr><td><a href="{quote(student["file"])}.md">{html.escape(student["name"])}</a></td>'
        f'<td class="n">{speech.score(student)}</td><td class="n">{speech.bonus(student)}</td>'
        f"<td>{html.escape(warning)}</td></tr>"
    )
