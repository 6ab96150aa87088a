"""Le results.json que Gradescope attend : https://gradescope-autograders.readthedocs.io/.

Il lui faut une note : tant qu'elle n'est pas définitive, c'est le minimum, et le texte le dit.
"""

from grader.reporting.page import story
from grader.reporting.record import Record
from grader.reporting.speech import Speech, is_bonus
from grader.verdict import State


def gradescope(student: Record, speech: Speech) -> Record:
    return {
        "score": student["score_min"] + student["bonus_min"],
        "output": "\n".join(
            [*speech.marks(student), speech.guard(student), *speech.notices(student["notices"])]
        ),
        "output_format": "text",
        "visibility": "visible",
        "tests": [_test(check, speech) for check in student["checks"]],
    }


def _test(check: Record, speech: Speech) -> Record:
    test = {
        "name": check["sentence"],
        "number": check["id"],
        "score": check["points"],
        "max_score": 0 if is_bonus(check) else check["max"],
        "output": "\n".join(story(check, speech)) or check["actual"],
        "output_format": "md",
        "visibility": "visible",
    }
    if check["state"] != State.COULD_NOT_RUN:  # sans « status », ni réussi ni échoué
        test["status"] = "passed" if check["state"] == State.PASSED else "failed"
    return test
