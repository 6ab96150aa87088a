"""Un doute n'est jamais un échec : chaque vérification dit ce qui la tromperait, et le prouve."""

import tomllib
from pathlib import Path

import pytest

from grader.finding.handin import HandIn
from grader.table import Table

RENDUS = Path(__file__).resolve().parents[1] / "rendus"
DOUBTS, EXPECTED = (
    tomllib.loads((RENDUS / name).read_text("utf-8")) for name in ("doutes.toml", "attendus.toml")
)


def test_every_check_has_its_doubt() -> None:
    assert set(DOUBTS) == set(Table().checks)


@pytest.mark.parametrize("check", DOUBTS)
def test_hand_ins_that_would_have_been_wronged(check: str) -> None:
    """Les rendus cités portent le script de cette vérification, et doivent la réussir."""
    doubt = DOUBTS[check]
    assert doubt["doubt"].endswith(".") and doubt["again"].endswith(".")
    assert doubt["rendus"]
    unit = check.rpartition(".")[0]
    for name in doubt["rendus"]:
        expected = EXPECTED[name]
        unhappy = {
            one
            for state in ("failed", "not_reached", "could_not_run")
            for one in expected.get(state, ())
        }
        assert check not in unhappy, name
        assert any(role.startswith(unit) for role in HandIn(RENDUS / name).scripts), name
