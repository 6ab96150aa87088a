"""Le results.json que Gradescope attend : https://gradescope-autograders.readthedocs.io/."""

from grader.reporting.page import story
from grader.reporting.record import Record
from grader.reporting.speech import Speech, is_bonus
from grader.verdict import State


def gradescope(student: Record, speech: Speech) -> Record:
    tests = []
    for check in student["checks"]:
        text = "\n".join(story(check, speech)) or check["actual"]
        tests.append(
            {
                "name": check["sentence"],
                "number": check["id"],
                "score": check["points"],
                "max_score": 0 if is_bonus(check) else check["max"],
                "status": "passed" if check["state"] == State.PASSED else "failed",
                "output": text,
                "output_format": "md",
                "visibility": "visible",
            }
        )
    return {
        "score": (student["score"] or 0) + student["bonus"],
        "output": "\n".join(speech.marks(student)),
        "output_format": "text",
        "visibility": "visible",
        "tests": tests,
    }
