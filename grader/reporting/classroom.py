"""La classe en une page HTML autonome."""

import html
import re
from collections import Counter

from grader.reporting.record import Record
from grader.reporting.speech import Speech
from grader.verdict import State

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd }
td.n { text-align: right; font-variant-numeric: tabular-nums }
.bar { background: #e8e8e8; width: 12rem; height: .8rem } .bar i { display: block; height: 100%;
  background: #2a7d4f }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 }
  th, td { border-color: #444 } .bar { background: #333 } }
"""
PAGE = """<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style>
<h1>{title}</h1>
<p>{mean}</p>
<p>{failure}</p>
<h2>{rate}</h2>
<table>
{rows}
</table>
<h2>{marks_title}</h2>
<table>
{marks}
</table>
</html>
"""


def coded(sentence: str) -> str:
    """Une phrase de la table en HTML, son code entre accents graves compris."""
    return re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape(sentence))


def class_page(students: list[Record], speech: Speech) -> str:
    """Réussite par vérification, notes, premier échec."""
    esc = html.escape
    scores = [s["score"] for s in students if s["score"] is not None]
    mean = speech.number(round(sum(scores) / len(scores), 2)) if scores else "—"
    firsts = Counter(
        first["sentence"]
        for student in students
        if (first := next((c for c in student["checks"] if c["state"] == State.FAILED), None))
    )
    common = firsts.most_common(1)
    told = f"{coded(common[0][0])} ({common[0][1]})" if common else esc(speech.say("nobody"))
    rows = []
    for check in speech.table.checks.values():
        states = [c["state"] for s in students for c in s["checks"] if c["id"] == check.id]
        tried = [state for state in states if state != State.COULD_NOT_RUN]
        good = sum(state == State.PASSED for state in tried)
        share = round(100 * good / len(tried)) if tried else 0
        rows.append(
            f"<tr><td>{coded(check.texts[speech.language]['sentence'])}</td>"
            f'<td class="n">{good} / {len(tried)}</td>'
            f'<td><div class="bar"><i style="width:{share}%"></i></div></td></tr>'
        )
    marks = []
    for student in students:
        score = "—" if student["score"] is None else speech.number(student["score"])
        extra = f" + {speech.number(student['bonus'])}" if student["bonus"] else ""
        warn = " ⚠" if student["missing"] else ""
        marks.append(
            f'<tr><td>{esc(student["name"])}</td><td class="n">{score}{extra}{warn}</td></tr>'
        )
    people = speech.say("student" if len(students) == 1 else "students")
    title = esc(speech.titled("class", f"{len(students)} {people}"))
    return PAGE.format(
        language=speech.language,
        title=title,
        style=STYLE,
        mean=speech.titled("mean", f"<strong>{mean}</strong> / 20"),
        failure=speech.titled("first_failure", f"<strong>{told}</strong>"),
        rate=esc(speech.say("rate")),
        rows="\n".join(rows),
        marks_title=esc(speech.say("score")),
        marks="\n".join(marks),
    )
