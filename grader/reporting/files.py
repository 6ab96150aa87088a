"""Les fichiers de --rapport, écrits dès qu'un étudiant est fini : rien ne les reprendra ensuite."""

import json
import os
from pathlib import Path
from typing import Any

from grader.reporting.classroom import class_page
from grader.reporting.gradebook import gradebook
from grader.reporting.gradescope import gradescope
from grader.reporting.page import markdown
from grader.reporting.record import Record
from grader.reporting.speech import Speech

SCHEMA = 2
RESULTS = "resultats.json"


def write_student(folder: Path, student: Record, speech: Speech) -> None:
    """Les comptes rendus d'un seul."""
    write(folder / f"{student['file']}.md", markdown(student, speech))
    results = folder / "gradescope" / student["file"] / "results.json"
    write(results, dump(gradescope(student, speech)))


def write_class(folder: Path, students: list[Record], speech: Speech) -> None:
    """Ceux qui parlent de tous, tels qu'ils sont à cet instant."""
    results = {"schema": SCHEMA, "language": speech.language, "students": students}
    write(folder / RESULTS, dump(results))
    write(folder / "notes.csv", gradebook(students, speech))
    write(folder / "classe.html", class_page(students, speech))


def read_done(folder: Path, language: str) -> dict[str, Record]:
    """Ceux qu'une exécution interrompue a finis ici, dans cette langue, par rendu donné."""
    try:
        results = json.loads((folder / RESULTS).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if (results.get("schema"), results.get("language")) != (SCHEMA, language):
        return {}
    return {student["folder"]: student for student in results["students"] if student["complete"]}


def write(path: Path, text: str) -> None:
    """Écrit tout ou rien : l'ancien fichier reste entier jusqu'à ce que le nouveau le soit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(text, "utf-8", "replace", newline="")
    os.replace(unfinished, path)


def dump(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"
