"""Chaque vérification sur chaque rendu ; sans option, sur ce dépôt, qui a tous les points.

Le rendu lui-même n'est ni importé ni exploré par pytest : il tourne à part, dans un bac à sable.
"""

import pytest

from grader.reporting.plugin import FOUND, GRADING
from grader.reporting.record import record
from grader.table import Check
from grader.text import clean
from grader.verdict import State


def test_rendu(student: str, check: Check, request: pytest.FixtureRequest) -> None:
    """Le rendu satisfait cette vérification de la table."""
    session = request.config.stash[GRADING]
    grading = session.grading(student)
    verdict = grading.verdict(check)
    found = record(check, verdict, session.table, session.speech.language)
    request.node.stash[FOUND] = {
        "student": student,
        "check": found,
        "drives": {step: clean(how) for step, how in grading.student.drives.items()},
    }
    shown = session.students[student].shown
    properties = {"student": shown, **{key: found[key] for key in ("state", "points", "max")}}
    request.node.user_properties += properties.items()  # pour --junitxml
    if verdict.state == State.FAILED:
        lines = [found["sentence"], found["rationale"], found["actual"], found["hint"]]
        pytest.fail("\n".join([*lines, found["output"]]).strip(), pytrace=False)
    if verdict.state == State.NOT_REACHED and not session.asked:
        pytest.fail(found["actual"], pytrace=False)
    if not verdict.good:
        pytest.skip(found["actual"])
