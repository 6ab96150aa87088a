"""Chaque vérification sur chaque rendu ; sans option, sur ce dépôt, qui a tous les points.

Le rendu lui-même n'est ni importé ni exploré par pytest : il tourne à part, dans un bac à sable.
"""

from pathlib import Path

import pytest
from grader.grading import record
from grader.plugin import GRADING, unique_names
from grader.table import Check
from grader.verdict import COULD_NOT_RUN, FAILED, NOT_REACHED


def test_rendu(folder: Path, check: Check, request: pytest.FixtureRequest) -> None:
    """Le rendu satisfait cette vérification de la table."""
    session = request.config.stash[GRADING]
    grading = session.grading(folder)
    verdict = grading.verdict(check)
    found = record(check, verdict, session.table, session.language)
    request.node.grader_record = {
        "student": unique_names(session.folders)[folder],
        "check": found,
        "drives": grading.student.drives,
    }
    if verdict.state == FAILED:
        lines = [found["sentence"], found["rationale"], found["actual"], found["hint"]]
        pytest.fail("\n".join([*lines, found["output"]]).strip(), pytrace=False)
    if verdict.state == COULD_NOT_RUN:
        pytest.skip(found["actual"])
    if verdict.state == NOT_REACHED and not session.asked:
        pytest.fail(found["actual"], pytrace=False)
    if verdict.state == NOT_REACHED:
        pytest.skip(found["actual"])
