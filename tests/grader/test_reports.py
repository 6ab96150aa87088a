"""Ce qui sort d'une notation : tableau, rapports, JSON, CSV, Gradescope, JUnit, code de sortie."""

import csv
import json
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from grader.reporting.record import mark
from grader.table import Table

WRONG = """
import asyncio
import websockets

async def handler(ws):
    message = await ws.recv()
    await ws.send("<b>Bonjour</b> | " + message)

async def main():
    async with websockets.serve(handler, "10.0.0.1", 8765):
        await asyncio.Future()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def graded(
    grade, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess, Path]:
    """Une classe de deux : un serveur d'écho qui se trompe de phrase, et un dossier vide."""
    place = tmp_path_factory.mktemp("classe")
    for name in ("=Ada", "Bob"):
        (place / "rendus" / name).mkdir(parents=True)
    (place / "rendus" / "=Ada" / "ws_i_1_server.py").write_text(WRONG)
    reports, junit = place / "rapports", place / "junit.xml"
    options = (f"--rendus={place / 'rendus'}", f"--rapport={reports}", f"--junitxml={junit}")
    return grade(*options, "-n", "2"), place


def test_terminal_and_exit_code(graded) -> None:
    """Un tableau par étudiant, une ligne dès qu'il est fini ; ses échecs ne sont pas les nôtres."""
    done, _ = graded
    assert done.returncode == 0, done.stdout + done.stderr
    assert "=Ada : Note : 2,5 / 20 — réussi : 4, échoué : 1" in done.stdout
    assert "Bob : Note : 0 / 20" in done.stdout
    assert "✗ i1.server.hello" in done.stdout and "Aucun script de ce TP" in done.stdout


def test_markdown(graded) -> None:
    """La page d'un étudiant raconte l'échec : fait, venu, attendu, une question."""
    text = (graded[1] / "rapports" / "_Ada.md").read_text("utf-8")
    for words in ("Ce qui a été fait", "Ce qui est venu", "Ce qui était attendu", "Une question"):
        assert f"**{words}** : " in text
    assert "<b>" not in text, "le rendu ne doit pas écrire de HTML dans le rapport"
    assert "Un seul message est servi par connexion" in text


def test_json_and_csv(graded) -> None:
    """resultats.json suit son schéma, notes.csv se lit dans un tableur sans rien exécuter."""
    reports = graded[1] / "rapports"
    data = json.loads((reports / "resultats.json").read_text("utf-8"))
    assert data["schema"] == 1
    ada, bob = data["students"]
    assert (ada["name"], ada["score"], ada["max"], bob["score"]) == ("=Ada", 2.5, 20, 0)
    assert [check["id"] for check in ada["checks"]] == list(Table().checks)
    keys = {"id", "state", "points", "max", "sentence", "rationale", "hint", "expected", "actual"}
    assert all(keys < set(check) for check in ada["checks"])
    lines = (reports / "notes.csv").read_text("utf-8-sig").splitlines()
    rows = list(csv.reader(lines, delimiter=";"))
    assert rows[1][:3] == ["'=Ada", "2.5", "20"]


def test_gradescope_and_class_page(graded) -> None:
    """Gradescope a son results.json, la classe a sa page, qui se suffit."""
    reports = graded[1] / "rapports"
    results = json.loads((reports / "gradescope" / "_Ada" / "results.json").read_text("utf-8"))
    assert results["score"] == 2.5 and len(results["tests"]) == 30
    page = (reports / "classe.html").read_text("utf-8")
    assert "2 étudiants" in page and "http" not in page.replace("http-equiv", "")
    assert "La réponse est <code>Hello client ! Received" in page


def test_junit(graded) -> None:
    """Le JUnit de pytest dit aussi qui a échoué où."""
    suite = ElementTree.parse(graded[1] / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("60", "1")


def test_strict_and_english(grade, tmp_path: Path) -> None:
    """Avec --strict un échec d'étudiant est un échec ; --langue=en parle anglais."""
    (tmp_path / "ws_i_1_server.py").write_text(WRONG)
    done = grade(f"--rendu={tmp_path}", "--strict", "--langue=en")
    assert done.returncode == 1
    assert "Mark: 2.5 / 20" in done.stdout and "The answer received is" in done.stdout


def test_missing_folder_is_a_usage_error(grade, tmp_path: Path) -> None:
    """Un dossier qui n'existe pas est dit en une phrase."""
    done = grade(f"--rendu={tmp_path / 'absent'}")
    assert done.returncode == 4
    assert "n'existe pas" in done.stderr and "Traceback" not in done.stderr


def check(state: str, points: float = 0, worth: float = 1, name: str = "i1.server.starts") -> dict:
    return {"id": name, "state": state, "points": points, "max": worth}


def test_what_could_not_run_costs_nothing() -> None:
    """La note est ramenée à 20 sur ce qui a pu être essayé ; le bonus reste à côté."""
    found = mark(
        [
            check("passed", 5, 5),
            check("failed", 0, 5),
            check("could_not_run", 0, 10),
            check("passed", 1, 2, "ii3.server.mongo"),
        ]
    )
    assert (found["score"], found["raw"], found["tried"]) == (10, 5, 10)
    assert (found["missing"], found["bonus"]) == (10, 1)
    assert mark([check("could_not_run")])["score"] is None
