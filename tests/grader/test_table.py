"""La table du correcteur tient : identifiants, points, langues, paramètres, phrases dites."""

import ast
import re
from pathlib import Path

import pytest

from grader.finding.code import Code
from grader.judging.grading import UNITS
from grader.judging.mistakes import blocking_input, bytes_and_str, empty_end, send_on_key, swallowed
from grader.table import LANGUAGES, TABLE, Table, placeholders
from grader.verdict import Came, Remark

GRADER = TABLE.parent
TEXTS = ("sentence", "rationale", "expected", "hint")


def test_ids_are_unique_and_plain() -> None:
    """Chaque identifiant est unique, en ASCII, de la forme étape.rôle.fait."""
    names = re.findall(r'^\[checks\."(.+)"\]$', TABLE.read_text("utf-8"), re.M)
    assert len(names) == len(set(names)) == len(Table().checks) == 30
    assert all(re.fullmatch(r"i{1,2}[123]\.(server|client)\.[a-z]+", name) for name in names)


def test_points_make_twenty_and_a_bonus_of_two() -> None:
    """Les étapes I.1 à II.2 font 20 points, II.3 en ajoute deux au plus."""
    checks = Table().checks.values()
    assert sum(check.points for check in checks if check.step != "ii3") == 20
    assert sum(check.points for check in checks if check.step == "ii3") == 2
    assert all(check.points >= 0 for check in checks)


def test_every_check_is_produced_by_a_unit() -> None:
    """Chaque vérification appartient à une part du travail qui sait la juger."""
    assert {check.unit for check in Table().checks.values()} == set(UNITS)


@pytest.mark.parametrize("check", Table().checks.values(), ids=lambda check: check.id)
def test_both_languages_are_complete(check) -> None:
    """Chaque phrase existe dans les deux langues, et l'aide pose une question."""
    for language in LANGUAGES:
        texts = check.texts[language]
        assert set(texts) == set(TEXTS)
        assert all(text.strip() == text and text for text in texts.values())
        assert texts["hint"].rstrip().endswith("?"), texts["hint"]
        assert not any(placeholders(text) for text in texts.values())


def test_phrases_have_the_same_parameters_in_both_languages() -> None:
    """Une phrase et sa traduction emploient les mêmes paramètres."""
    for section, phrases in Table().phrases.items():
        for key, phrase in phrases.items():
            assert set(phrase) == set(LANGUAGES), f"{section}.{key}"
            assert placeholders(phrase["fr"]) == placeholders(phrase["en"]), f"{section}.{key}"


def test_mistakes_ask_a_question() -> None:
    """Une faute reconnue mène à une question, jamais au corrigé."""
    for key, phrase in Table().phrases["mistakes"].items():
        assert all(text.endswith("?") for text in phrase.values()), key


def spoken() -> set[str]:
    """Les chaînes, les attributs et les noms écrits dans le code du correcteur."""
    trees = [ast.parse(file.read_text("utf-8")) for file in GRADER.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    strings = {node.value for node in nodes if isinstance(node, ast.Constant)}
    return strings | {node.attr.lower() for node in nodes if isinstance(node, ast.Attribute)}


def test_every_phrase_has_a_key_and_every_key_a_phrase() -> None:
    """Les clés que dit le code sont celles de la table, et toutes servent."""
    phrases, said = Table().phrases, spoken()
    assert set(phrases["came"]) == set(Came)
    assert set(phrases["remarks"]) == set(Remark)
    # Faites de morceaux, ou dites par le calque de Node.
    made = ("step_", "isolation_", "remedy_", "driven_", "sockets", "attributes", "buffer_printed")
    for section in phrases:
        unused = {key for key in phrases[section] if key not in said and not key.startswith(made)}
        assert not unused, section


END = "m = await ws.recv()\n    while m != '':"
ASKED_AGAIN = "m = await ws.recv()\n    while m == '':"
CONNECTED = "async with connect(uri) as ws:"
CAUGHT = (
    "while True:\n        try:\n            m = await ws.recv()\n        except ConnectionClosed:"
)
KEYS = "# redis\n    for key in await r.smembers('users'):"


@pytest.mark.parametrize(
    ("mistake", "body", "line"),
    [
        (empty_end, "m = await ws.recv()\n    if m == b'':\n        return", "3"),
        (empty_end, "m = (await ws.recv()).decode()\n    if not m:\n        users.remove(ws)", "3"),
        (empty_end, f"{END}\n        m = await ws.recv()", "3"),
        (empty_end, f"{ASKED_AGAIN}\n        m = await ws.recv()", None),
        (empty_end, "pseudo = ws.path[1:]\n    if pseudo == '':\n        return", None),
        (blocking_input, f"{CONNECTED}\n        await ws.send(input())", "3"),
        (swallowed, f"{CAUGHT}\n            continue", "5"),
        (swallowed, f"{CAUGHT}\n            break", None),
        (send_on_key, f"{KEYS}\n        await key.send(m)", "4"),
        (send_on_key, f"{KEYS}\n        ws = sockets[key]\n        await ws.send(m)", None),
        (bytes_and_str, f"{KEYS}\n        if key != me: print(m.decode())", ""),
        (bytes_and_str, f"{KEYS}\n        name = key.decode()\n        if name != me: ...", None),
        (blocking_input, f"pseudo = input()\n    {CONNECTED}\n        await ws.send(pseudo)", None),
    ],
)
def test_mistakes_are_recognised(mistake, body: str, line: str | None, tmp_path: Path) -> None:
    """Une erreur fréquente est nommée à sa ligne, et un code qui lui ressemble ne l'est pas."""
    text = f"async def handler(ws):\n    {body}\n"
    (tmp_path / "script.py").write_text(text)
    found = mistake(Code(tmp_path / "script.py"))
    assert (found and found[1].get("line", "")) == line
