"""Ce qui sort d'une notation : tableau, rapports, JSON, CSV, Gradescope, JUnit, code de sortie."""

import csv
import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from grader.reporting.classroom import class_page
from grader.reporting.files import read_done, write
from grader.reporting.gradebook import gradebook
from grader.reporting.gradescope import gradescope
from grader.reporting.mark import Range, mark_of
from grader.reporting.page import markdown
from grader.reporting.speech import Speech
from grader.table import LANGUAGES, Table

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
LACKING = "import un_paquet_que_personne_n_a_publie\n"


@pytest.fixture(scope="module")
def graded(
    grade, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess, Path]:
    """Une classe de trois : un serveur qui se trompe de phrase, un paquet qui manque, rien."""
    place = tmp_path_factory.mktemp("classe")
    for name in ("=Ada", "Bob", "Cléo"):
        (place / "rendus" / name).mkdir(parents=True)
    (place / "rendus" / "=Ada" / "ws_i_1_server.py").write_text(WRONG)
    (place / "rendus" / "Cléo" / "ws_i_1_server.py").write_text(WRONG)
    (place / "rendus" / "Cléo" / "ws_i_3_server.py").write_text(LACKING)
    reports, junit = place / "rapports", place / "junit.xml"
    options = (f"--rendus={place / 'rendus'}", f"--rapport={reports}", f"--junitxml={junit}")
    return grade(*options, "-n", "2"), place


def results(graded) -> dict:
    return json.loads((graded[1] / "rapports" / "resultats.json").read_text("utf-8"))


def test_terminal_and_exit_code(graded) -> None:
    """Une ligne dès qu'un étudiant est fini, un tableau de la classe ; leurs échecs sont à eux."""
    done, _ = graded
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d/3  =Ada : Note : 2,5 / 20 — réussi : 4, échoué : 1", done.stdout, re.M)
    assert "Cléo : PROVISOIRE 2,5–8,5 / 20" in done.stdout
    assert re.search(r"^Bob +0 ", done.stdout, re.M)
    assert re.search(r"^Cléo +2,5–8,5 .*provisoire$", done.stdout, re.M)
    assert "Bob : RIEN DE CE TP ICI" in done.stdout.partition("1/3")[0], "dit avant de noter"
    assert done.stdout.count("--installer") == 1
    assert done.stdout.count("PAS ESSAYÉ : (1) Le paquet Python `un_paquet_que_personne") == 1
    assert "✗ i1.server.hello" not in done.stdout, "le détail de chacun est dans sa page"
    assert "skipped" not in done.stdout and "nodes" not in done.stdout, "pytest parle anglais"


def test_markdown(graded) -> None:
    """La page d'un étudiant raconte l'échec : fait, venu, attendu, une question."""
    text = (graded[1] / "rapports" / "_Ada.md").read_text("utf-8")
    for words in ("Ce qui a été fait", "Ce qui est venu", "Ce qui était attendu", "Une question"):
        assert f"**{words}** : " in text
    assert "<b>" not in text, "le rendu ne doit pas écrire de HTML dans le rapport"
    assert "Un seul message est servi par connexion" in text
    lacking = (graded[1] / "rapports" / "Cléo.md").read_text("utf-8")
    assert (
        "**PROVISOIRE 2,5–8,5 / 20**" in lacking and "6 vérification(s) PAS ESSAYÉE(S)" in lacking
    )


def test_json(graded) -> None:
    """resultats.json suit son schéma ; `score` est vide tant que la note n'est pas définitive."""
    data = results(graded)
    assert (data["schema"], data["language"]) == (2, "fr")
    ada, bob, cleo = data["students"]
    assert (ada["name"], ada["score"], ada["max"], bob["score"]) == ("=Ada", 2.5, 20, 0)
    assert ada["final"] and ada["score_min"] == ada["score_max"] == 2.5 and not ada["untried"]
    assert cleo["score"] is None and not cleo["final"]
    assert (cleo["score_min"], cleo["score_max"]) == (2.5, 8.5)
    assert {check.rpartition(".")[0] for check in cleo["untried"]} == {"i3.server"}
    assert [check["id"] for check in ada["checks"]] == list(Table().checks)
    keys = {"id", "state", "points", "max", "sentence", "rationale", "hint", "expected", "actual"}
    assert all(keys < set(check) for check in ada["checks"])


def test_gradescope(graded) -> None:
    """Gradescope a son results.json : le minimum, et il est dit que c'en est un."""
    reports = graded[1] / "rapports" / "gradescope"
    ada, cleo = (
        json.loads((reports / name / "results.json").read_text("utf-8"))
        for name in ("_Ada", "Cléo")
    )
    assert ada["score"] == 2.5 and len(ada["tests"]) == 30
    assert ada["output"].startswith("Note : 2,5") and all("status" in one for one in ada["tests"])
    assert cleo["score"] == 2.5 and cleo["output"].startswith("PROVISOIRE 2,5–8,5")
    assert sum("status" not in one for one in cleo["tests"]) == 6


def test_class_page(graded) -> None:
    """La classe a sa page, qui se suffit ; qui n'a pas rendu un fichier n'y a pas échoué."""
    page = (graded[1] / "rapports" / "classe.html").read_text("utf-8")
    assert "3 étudiants" in page and "http" not in page.replace("http-equiv", "")
    assert "La réponse est <code>Hello client ! Received" in page
    assert "2 des 2 qui l&#x27;ont rendu" in page and "0 des 1 qui l&#x27;ont rendu" in page
    assert '<a href="Cl%C3%A9o.md">Cléo</a>' in page and "@media print" in page
    for kind in ("réussi", "échoué", "pas atteint", "PAS ESSAYÉ", "pas rendu"):
        assert f"</span> {kind}" in page, "la légende"


def test_junit(graded) -> None:
    """Le JUnit de pytest dit aussi qui a échoué où, et ce qui n'a pas été essayé."""
    suite = ElementTree.parse(graded[1] / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("90", "2")
    untried = [
        case
        for case in suite.iter("testcase")
        if any(one.get("value") == "could_not_run" for one in case.iter("property"))
    ]
    assert len(untried) == 6 and all(case.find("skipped") is not None for case in untried)


@pytest.mark.parametrize(
    ("language", "separator", "numbers"), [("fr", ";", "2,5 2,5 8,5"), ("en", ",", "2.5 2.5 8.5")]
)
def test_csv(graded, language: str, separator: str, numbers: str) -> None:
    """notes.csv est celui du tableur de la langue, et rien ne s'y exécute."""
    text = gradebook(results(graded)["students"], Speech(Table(), language))
    assert text.startswith("\ufeff")
    header, ada, _, cleo = csv.reader(text[1:].splitlines(), delimiter=separator)
    score, low, high = numbers.split()
    assert header[:2] == [["etudiant", "identifiant"], ["student", "identifier"]][language == "en"]
    assert ada[:6] == ["'=Ada", "", score, low, low, "20"]
    assert cleo[:6] == ["Cléo", "", "", low, high, "20"] and cleo[8] == "6" and "?" in cleo
    assert len({len(row) for row in (header, ada, cleo)}) == 1


def test_the_file_of_a_french_run(graded) -> None:
    """Ses virgules sont entre guillemets : LibreOffice propose de couper aussi à celles-là."""
    text = (graded[1] / "rapports" / "notes.csv").read_text("utf-8-sig")
    assert text.startswith('"etudiant";"identifiant";"note";') and '"2,5"' in text
    assert "," not in re.sub('"[^"]*"', "", text)


def test_strict_english_and_details(grade, tmp_path: Path) -> None:
    """--strict : un échec d'étudiant en est un ; --langue=en ; seul, un étudiant a son détail."""
    (tmp_path / "ws_i_1_server.py").write_text(WRONG)
    done = grade(f"--rendu={tmp_path}", "--strict", "--langue=en")
    assert done.returncode == 1
    assert "Mark: 2.5 / 20" in done.stdout and "The answer received is" in done.stdout
    assert "✗ i1.server.hello" in done.stdout


def test_one_sentence_before_anything(grade) -> None:
    """Ce qui ne se note pas est dit en une phrase, dans la langue demandée."""
    done = grade("--rendu=https://example.org/tp.git", "--langue=en")
    assert done.returncode == 4 and "clone or download this hand-in first" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and not done.stdout.strip()


TABLE = Table()


@pytest.mark.parametrize("state", ["could_not_run", None])
def test_untried_gives_nothing_and_costs_nothing(state: str | None) -> None:
    """Un seul bon fichier et six pas essayés ne font pas 20 : la note est un intervalle."""
    states = {check: state or "passed" for check in TABLE.checks if state or "i1.server" in check}
    states |= {check: "passed" for check in TABLE.checks if "i1.server" in check}
    mark = mark_of(states, TABLE)
    assert (mark.minimum, mark.maximum, mark.final) == (3, 20, False)
    assert len(mark.untried) == 25 and mark.bonus == Range(0, 2)
    assert mark.fields()["score"] is None


def test_final_concerns_the_twenty_points() -> None:
    """Un bonus à essayer ne rend pas la note provisoire : il a son intervalle à lui."""
    states = {check: "could_not_run" if "ii3" in check else "failed" for check in TABLE.checks}
    mark = mark_of(states, TABLE)
    assert mark.final and mark.fields()["score"] == 0 and mark.bonus == Range(0, 2)
    assert mark_of(dict.fromkeys(TABLE.checks, "passed"), TABLE).bonus == Range(2, 2)


def test_a_report_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un rapport que l'on n'a pas fini d'écrire laisse l'ancien entier, même s'il est mal formé."""
    page = tmp_path / "page.md"
    write(page, "avant \ud800")
    monkeypatch.setattr("os.replace", lambda *_: pytest.fail("coupé"))
    with pytest.raises(pytest.fail.Exception):
        write(page, "après")
    assert page.read_text("utf-8") == "avant ?"


def test_resume_needs_the_same_language_and_schema(graded, tmp_path: Path) -> None:
    """Une reprise ne mélange ni les langues, ni les formes d'avant."""
    reports = graded[1] / "rapports"
    assert len(read_done(reports, "fr")) == 3 and not read_done(reports, "en")
    assert not read_done(tmp_path, "fr")
    (tmp_path / "resultats.json").write_text('{"schema": 1, "students": []}')
    assert not read_done(tmp_path, "fr")


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_interrupted_student_is_provisional(graded, language: str) -> None:
    """Coupé au milieu, un étudiant a un intervalle partout, et c'est dit."""
    speech, cleo = Speech(TABLE, language), results(graded)["students"][2]
    partial = cleo | {"complete": False}
    told = speech.say("interrupted")
    assert told in markdown(partial, speech) and told in gradescope(partial, speech)["output"]
    page = class_page([partial | {"checks": cleo["checks"][:3]}], speech)
    assert speech.say("provisional_short") in page
