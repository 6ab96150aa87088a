"""Le correcteur rend exactement l'issue prévue de chaque rendu d'essai, bon ou fautif."""

from pathlib import Path

import pytest
from grader import expected
from grader.table import Table

MUTATIONS, HAND_INS = expected.mutations(), expected.hand_ins()
# Le tour ordinaire en essaie quelques-uns, de chaque sorte ; `make meta` les essaie tous.
SHORT = {
    "i1 : le client ne montre pas la réponse",
    "i2 : le script envoie une phrase écrite d'avance",
    "i3 : l'arrivée n'est annoncée qu'au serveur",
    "ii2 : un registre de pseudos à côté de Redis",
}


def cases(all_cases: list[expected.Case]) -> list:
    return [
        pytest.param(case, id=case.name, marks=[] if case.name in SHORT else [pytest.mark.meta])
        for case in all_cases
    ]


@pytest.mark.parametrize("case", cases(MUTATIONS))
def test_mutation(case: expected.Case, tmp_path: Path) -> None:
    """Une faute fait échouer la vérification qui la vise, et aucune autre."""
    assert not expected.differences(case, tmp_path, Table())


@pytest.mark.parametrize("case", cases(HAND_INS))
def test_hand_in(case: expected.Case, tmp_path: Path) -> None:
    """Un rendu d'essai reçoit exactement les issues prévues."""
    assert not expected.differences(case, tmp_path, Table())


def test_every_check_has_a_wrong_solution() -> None:
    """Chaque vérification a au moins une faute qu'elle est seule à refuser."""
    alone = {next(iter(case.failed)) for case in MUTATIONS if len(case.failed) == 1}
    assert alone == set(Table().checks)
