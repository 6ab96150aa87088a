"""La maison du correcteur : chaque pièce n'importe que celles d'avant, et rien des tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

import grader

HOUSE = Path(grader.__file__).parent
ROOMS = ("finding", "running", "learning", "judging", "reporting")
GUEST = HOUSE / "running" / "guest"


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file} : un import relatif ne dit pas d'où il vient"
            yield node.module or ""


def level(place: str) -> int:
    """La pièce où mène ce nom pointé ; 0 pour ce que toutes partagent."""
    room = place.split(".")[1] if "." in place else ""
    return ROOMS.index(room) + 1 if room in ROOMS else 0


def test_imports_go_one_way() -> None:
    """Une pièce n'importe que celles d'avant ; la maison n'importe ni test ni son calque."""
    forbidden = {path.stem for path in (HOUSE.parent / "tests").iterdir()} - {"grader", "chatroom"}
    for file in HOUSE.rglob("*.py"):
        here = level("grader." + ".".join(file.relative_to(HOUSE).with_suffix("").parts))
        for name in imported(file):
            top = name.partition(".")[0]
            assert top not in forbidden, f"{file} importe {name}, des tests"
            if GUEST in file.parents:
                assert top != "grader", f"{file} tourne chez l'étudiant et importe {name}"
            elif top == "grader":
                assert level(name) <= here, f"{file} importe {name}, d'une pièce d'après"
            else:
                assert top not in ("tp7_guest", "chatroom"), f"{file} importe {name}"
