"""Les longueurs promises, dites une fois : un script se lit d'une traite, une étape est un diff."""

import subprocess
from pathlib import Path

import pytest
from support.processes import ROOT

# Des plafonds, et non des buts : toutes les lignes comptent.
LINES = {
    "ws_i_1_server.py": 55,
    "ws_i_1_client.py": 55,
    "ws_i_2_client.js": 55,
    "ws_i_2_client.html": 75,
    "ws_i_3_server.py": 130,
    "ws_i_3_client.py": 110,
    "ws_i_3_client.js": 260,
    "ws_i_3_client.html": 120,
    "ws_ii_2_server.py": 230,
    "ws_ii_3_server.py": 260,
    "databases.py": 300,
}
# Ce que `diff` montre d'une étape à la suivante : c'est la leçon.
STEPS = {
    ("ws_i_3_server.py", "ws_ii_2_server.py"): 185,
    ("ws_ii_2_server.py", "ws_ii_3_server.py"): 55,
}
CHATROOM_MODULE, CHATROOM, CHATROOM_SCRIPT = 170, 1500, 20


def lines(file: Path | str) -> list[str]:
    return (ROOT / file).read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("script", LINES)
def test_length(script: str):
    """Un script de la leçon se lit en une fois."""
    assert len(lines(script)) <= LINES[script]


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_step_is_its_lesson(before: str, after: str):
    """Un serveur ne diffère du précédent que par ce que son étape demande."""
    diff = subprocess.run(["diff", before, after], cwd=ROOT, capture_output=True, text=True).stdout
    marked = sum(line[:1] in ("<", ">") for line in diff.splitlines())
    assert marked <= STEPS[before, after], f"{marked} lignes :\n{diff}"


def test_chatroom():
    """Le paquet se lit module par module."""
    modules = {path.name: len(lines(path)) for path in (ROOT / "chatroom").rglob("*.py")}
    scripts = {path.name: len(lines(path)) for path in (ROOT / "chatroom").rglob("*.lua")}
    assert {name: count for name, count in modules.items() if count > CHATROOM_MODULE} == {}
    assert {name: count for name, count in scripts.items() if count > CHATROOM_SCRIPT} == {}
    assert sum(modules.values()) <= CHATROOM
