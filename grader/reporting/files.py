"""Les fichiers de --rapport : un par forme de compte rendu."""

import csv
import json
import re
from pathlib import Path

from grader.reporting.classroom import class_page
from grader.reporting.gradescope import gradescope
from grader.reporting.page import markdown
from grader.reporting.record import Record
from grader.reporting.speech import Speech
from grader.verdict import State


def write_all(folder: Path, students: list[Record], speech: Speech) -> None:
    """Écrit tous les rapports dans `folder`, qui est créé s'il le faut."""
    (folder / "gradescope").mkdir(parents=True, exist_ok=True)
    for student in students:
        base = re.sub(r"[^\w.-]+", "_", student["name"])
        (folder / f"{base}.md").write_text(markdown(student, speech), "utf-8")
        target = folder / "gradescope" / base / "results.json"
        target.parent.mkdir(exist_ok=True)
        target.write_text(dump(gradescope(student, speech)), "utf-8")
    (folder / "resultats.json").write_text(dump({"schema": 1, "students": students}), "utf-8")
    write_csv(folder / "notes.csv", students, speech)
    (folder / "classe.html").write_text(class_page(students, speech), "utf-8")


def dump(data: Record) -> str:
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def write_csv(path: Path, students: list[Record], speech: Speech) -> None:
    """Une ligne par étudiant ; une cellule ne doit pas devenir une formule dans un tableur."""
    names = list(speech.table.checks)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["etudiant", "note", "sur", "points", "essayes", "bonus", *names])
        for student in students:
            points = {c["id"]: c["points"] if c["state"] != State.COULD_NOT_RUN else "?"
                      for c in student["checks"]}  # fmt: skip
            name = student["name"]
            score = "" if student["score"] is None else student["score"]
            row = ["'" + name if name[:1] in "=+-@" else name, score, student["max"]]
            row += [student["raw"], student["tried"], student["bonus"]]
            writer.writerow([*row, *(points.get(name, "") for name in names)])
