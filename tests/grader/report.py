"""Ce qui sort d'une notation : tableaux, pages Markdown, CSV, JSON, page de la classe."""

import csv
import html
import json
import re
from collections import Counter
from pathlib import Path

from grader.grading import mark
from grader.table import BONUS, STEPS, Table
from grader.verdict import COULD_NOT_RUN, FAILED, NOT_REACHED, PASSED

SIGNS = {PASSED: "✓", FAILED: "✗", NOT_REACHED: "·", COULD_NOT_RUN: "?"}
WIDTH = 96
INDENT = " " * 37


def student_of(name: str, folder: str, session) -> dict:
    """Un étudiant comme dans resultats.json : sa note et ses vérifications, dans l'ordre."""
    found = session.records[name]
    checks = [found[check] for check in session.table.checks if check in found]
    return {
        "name": name,
        "folder": folder,
        **mark(checks),
        "how_driven": session.drives.get(name, {}),
        "checks": checks,
    }


def speaker(session):
    """`say("mark", score=12)` : un mot des rapports, dans la langue choisie."""
    table: Table = session.table
    return lambda key, **params: table.say("words", key, session.language, **params)


def colon(session) -> str:
    """Le deux-points et ses espaces : le français en met une devant."""
    return " : " if session.language == "fr" else ": "


def mark_lines(student: dict, session) -> list[str]:
    """La note, le bonus, et en capitales ce qui n'a pas pu être essayé."""
    say = speaker(session)
    if student["score"] is None:
        return [say("nothing_tried")]
    line = say("mark", score=number(student["score"], session))
    if student["bonus"]:
        line += f"   ({say('bonus', bonus=number(student['bonus'], session))})"
    if not student["missing"]:
        return [line]
    figures = {key: number(student[key], session) for key in ("raw", "tried", "missing")}
    return [line, say("rescaled", **figures)]


def number(value: float, session) -> str:
    text = f"{value:g}"
    return text.replace(".", ",") if session.language == "fr" else text


def progress(student: dict, session) -> str:
    counts = Counter(check["state"] for check in student["checks"])
    say = speaker(session)
    states = ", ".join(f"{say(s)}{colon(session)}{counts[s]}" for s in SIGNS if counts[s])
    return f"{student['name']}{colon(session)}{mark_lines(student, session)[0]} — {states}"


def table_lines(student: dict, session) -> list[str]:
    """Le tableau d'un étudiant pour le terminal."""
    say = speaker(session)
    lines = ["", f"─── {student['name']} " + "─" * max(3, WIDTH - len(student["name"]) - 5)]
    if is_empty(student):
        lines.append(say("empty"))
    for step in STEPS:
        lines.append(say(f"step_{step}"))
        told = ""  # la même raison n'est dite qu'une fois de suite
        for check in student["checks"]:
            if check["id"].partition(".")[0] == step:
                lines += check_lines(check, session)
                if check["state"] == NOT_REACHED and check["actual"] != told:
                    lines.append(f"{INDENT}{flat(check['actual'])}")
                told = check["actual"]
    return [*lines, *mark_lines(student, session)]


def check_lines(check: dict, session) -> list[str]:
    say = speaker(session)
    points = f"{number(check['points'], session)}/{number(check['max'], session)}"
    lines = [f"  {SIGNS[check['state']]} {check['id']:<22} {points:>9}  {check['sentence']}"]
    if check["state"] == FAILED:
        lines += [f"{INDENT}{flat(check['actual'])}", f"{INDENT}{flat(check['hint'])}"]
    elif check["state"] == COULD_NOT_RUN:
        lines.append(f"{INDENT}{say(COULD_NOT_RUN)}{colon(session)}{flat(check['actual'])}")
    lines += [
        f"{INDENT}{say('remark')}{colon(session)}{flat(remark)}" for remark in check["remarks"]
    ]
    return lines


def flat(text: str) -> str:
    """Une seule ligne, sans rien qui commande un terminal : un rendu contient n'importe quoi."""
    text = re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)
    return text if len(text) <= 300 else text[:297] + "…"


def is_empty(student: dict) -> bool:
    return all(check["state"] == NOT_REACHED for check in student["checks"])


def is_bonus(check: dict) -> bool:
    return check["id"].startswith(BONUS)


# --- Les fichiers ---------------------------------------------------------------------------------


def write_all(folder: Path, students: list[dict], session) -> None:
    """Écrit tous les rapports dans `folder`, qui est créé s'il le faut."""
    (folder / "gradescope").mkdir(parents=True, exist_ok=True)
    for student in students:
        base = re.sub(r"[^\w.-]+", "_", student["name"])
        (folder / f"{base}.md").write_text(markdown(student, session), "utf-8")
        target = folder / "gradescope" / base / "results.json"
        target.parent.mkdir(exist_ok=True)
        target.write_text(dump(gradescope(student, session)), "utf-8")
    (folder / "resultats.json").write_text(
        dump({"schema": 1, "students": [public(student) for student in students]}), "utf-8"
    )
    write_csv(folder / "notes.csv", students, session)
    (folder / "classe.html").write_text(class_page(students, session), "utf-8")


def dump(data: dict) -> str:
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def public(student: dict) -> dict:
    return student | {"checks": [{k: v for k, v in c.items()} for c in student["checks"]]}


def write_csv(path: Path, students: list[dict], session) -> None:
    """Une ligne par étudiant ; une cellule ne doit pas devenir une formule dans un tableur."""
    names = list(session.table.checks)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["etudiant", "note", "sur", "points", "essayes", "bonus", *names])
        for student in students:
            points = {c["id"]: c["points"] if c["state"] != COULD_NOT_RUN else "?"
                      for c in student["checks"]}  # fmt: skip
            name = student["name"]
            score = "" if student["score"] is None else student["score"]
            row = ["'" + name if name[:1] in "=+-@" else name, score, student["max"]]
            row += [student["raw"], student["tried"], student["bonus"]]
            writer.writerow([*row, *(points.get(name, "") for name in names)])


def markdown(student: dict, session) -> str:
    """La page d'un étudiant : sa note, le tableau, puis chaque échec raconté."""
    say = speaker(session)
    lines = [f"# {say('title')}{colon(session)}{plain(student['name'])}", ""]
    lines += [f"**{line}**\n" for line in mark_lines(student, session)]
    if is_empty(student):
        return "\n".join([*lines, say("empty"), ""])
    lines += [f"| {say('check')} | {say('result')} | {say('points')} |", "|---|---|---|"]
    for check in student["checks"]:
        points = f"{number(check['points'], session)} / {number(check['max'], session)}"
        result = f"{SIGNS[check['state']]} {say(check['state'])}"
        lines.append(f"| {check['sentence']} | {result} | {points} |")
    told = [check for check in student["checks"] if worth_telling(check)]
    if not told:
        lines += ["", say("all_good")]
    for check in told:
        lines += ["", f"## {SIGNS[check['state']]} {check['sentence']}", "", f"`{check['id']}`", ""]
        lines += story(check, session)
    lines += how_driven(student, session)
    return "\n".join(lines) + "\n"


def worth_telling(check: dict) -> bool:
    return check["state"] in (FAILED, COULD_NOT_RUN) or bool(check["remarks"])


def story(check: dict, session) -> list[str]:
    """Ce qui a été fait, ce qui est venu, ce qui était attendu, une question."""
    say = speaker(session)
    lines = []
    if check["state"] == FAILED:
        lines = [
            f"- **{say('done')}**{colon(session)}{check['rationale']}",
            f"- **{say('came')}**{colon(session)}{plain(check['actual'])}",
            f"- **{say('expected')}**{colon(session)}{check['expected']}",
            f"- **{say('question')}**{colon(session)}{plain(check['hint'])}",
        ]
        if check["output"]:
            lines += ["", f"{say('output')}{colon(session).rstrip()}", "", *fenced(check["output"])]
    elif check["state"] == COULD_NOT_RUN:
        lines = [f"**{say(COULD_NOT_RUN)}**{colon(session)}{plain(check['actual'])}"]
    return [
        *lines,
        *(f"- *{say('remark')}*{colon(session)}{plain(remark)}" for remark in check["remarks"]),
    ]


def fenced(text: str) -> list[str]:
    """Un bloc littéral, dont le rendu ne peut pas sortir."""
    text = re.sub(r"[^\S\n]|[\x00-\x09\x0b-\x1f\x7f-\x9f]", " ", text)
    return ["    " + line for line in text.splitlines()]


def plain(text: str) -> str:
    """Le texte d'un rendu ne doit pas devenir du HTML ni du Markdown actif dans le rapport."""
    return re.sub(r"([<>|*_\[\]])", r"\\\1", flat(text))


def how_driven(student: dict, session) -> list[str]:
    say = speaker(session)
    if not student["how_driven"]:
        return []
    lines = ["", f"## {say('driven')}", ""]
    for step, how in sorted(student["how_driven"].items()):
        source, _, dialect = how.partition(": ")
        told = say(f"driven_{source}", dialect=f"`{flat(dialect).replace('`', '')}`")
        lines.append(f"- {say('step_' + step)}{colon(session)}{told}")
    return lines


def gradescope(student: dict, session) -> dict:
    """Le results.json que Gradescope attend : https://gradescope-autograders.readthedocs.io/."""
    tests = []
    for check in student["checks"]:
        text = "\n".join(story(check, session)) or check["actual"]
        tests.append(
            {
                "name": check["sentence"],
                "number": check["id"],
                "score": check["points"],
                "max_score": 0 if is_bonus(check) else check["max"],
                "status": "passed" if check["state"] == PASSED else "failed",
                "output": text,
                "output_format": "md",
                "visibility": "visible",
            }
        )
    return {
        "score": (student["score"] or 0) + student["bonus"],
        "output": "\n".join(mark_lines(student, session)),
        "output_format": "text",
        "visibility": "visible",
        "tests": tests,
    }


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


def coded(sentence: str) -> str:
    """Une phrase de la table en HTML, son code entre accents graves compris."""
    return re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape(sentence))


def class_page(students: list[dict], session) -> str:
    """La classe en une page HTML autonome : réussite par vérification, notes, premier échec."""
    say, esc = speaker(session), html.escape
    scores = [s["score"] for s in students if s["score"] is not None]
    mean = number(round(sum(scores) / len(scores), 2), session) if scores else "—"
    firsts = Counter(
        first["sentence"]
        for student in students
        if (first := next((c for c in student["checks"] if c["state"] == FAILED), None))
    )
    common = firsts.most_common(1)
    told = f"{coded(common[0][0])} ({common[0][1]})" if common else esc(say("nobody"))
    rows = []
    for check in session.table.checks.values():
        states = [c["state"] for s in students for c in s["checks"] if c["id"] == check.id]
        tried = [state for state in states if state != COULD_NOT_RUN]
        good = sum(state == PASSED for state in tried)
        share = round(100 * good / len(tried)) if tried else 0
        rows.append(
            f"<tr><td>{coded(check.texts[session.language]['sentence'])}</td>"
            f'<td class="n">{good} / {len(tried)}</td>'
            f'<td><div class="bar"><i style="width:{share}%"></i></div></td></tr>'
        )
    marks = []
    for student in students:
        score = "—" if student["score"] is None else number(student["score"], session)
        extra = f" + {number(student['bonus'], session)}" if student["bonus"] else ""
        warn = " ⚠" if student["missing"] else ""
        marks.append(
            f'<tr><td>{esc(student["name"])}</td><td class="n">{score}{extra}{warn}</td></tr>'
        )
    people = say("student" if len(students) == 1 else "students")
    title = esc(f"{say('class')}{colon(session)}{len(students)} {people}")
    return (
        f'<!doctype html>\n<html lang="{session.language}">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n"
        f"<p>{esc(say('mean'))}{colon(session)}<strong>{mean}</strong> / 20</p>\n"
        f"<p>{esc(say('first_failure'))}{colon(session)}<strong>{told}</strong></p>\n"
        f"<h2>{esc(say('rate'))}</h2>\n<table>\n" + "\n".join(rows) + "\n</table>\n"
        f"<h2>{esc(say('score'))}</h2>\n<table>\n" + "\n".join(marks) + "\n</table>\n</html>\n"
    )
