"""La page Markdown d'un étudiant."""

import re

from grader.reporting.record import Record
from grader.reporting.speech import SIGNS, Speech, is_empty, plain
from grader.text import clean, flat
from grader.verdict import State


def markdown(student: Record, speech: Speech) -> str:
    """Sa note, le tableau, puis chaque échec raconté."""
    say = speech.say
    lines = [f"# {speech.titled('title', plain(student['name']))}", ""]
    lines += [f"*{speech.guard(student)}*\n"]
    lines += [f"{plain(line)}\n" for line in speech.notices(student["notices"])]
    lines += [f"**{line}**\n" for line in speech.marks(student)]
    if is_empty(student):
        return "\n".join(lines)
    lines += [f"| {say('check')} | {say('result')} | {say('points')} |", "|---|---|---|"]
    for check in student["checks"]:
        result = f"{SIGNS[check['state']]} {say(check['state'])}"
        lines.append(f"| {check['sentence']} | {result} | {speech.points(check, ' / ')} |")
    told = [check for check in student["checks"] if worth_telling(check)]
    if not told:
        lines += ["", say("all_good")]
    for check in told:
        lines += ["", f"## {SIGNS[check['state']]} {check['sentence']}", "", f"`{check['id']}`", ""]
        lines += story(check, speech)
    return "\n".join(lines + how_driven(student, speech)) + "\n"


def worth_telling(check: Record) -> bool:
    return check["state"] in (State.FAILED, State.COULD_NOT_RUN) or bool(check["remarks"])


def story(check: Record, speech: Speech) -> list[str]:
    """Ce qui a été fait, ce qui est venu, ce qui était attendu, une question."""

    lines = []
    if check["state"] == State.FAILED:
        lines = [
            "- " + bold(speech, "done", check["rationale"]),
            "- " + bold(speech, "came", plain(check["actual"])),
            "- " + bold(speech, "expected", check["expected"]),
            "- " + bold(speech, "question", plain(check["hint"])),
        ]
        if check["output"]:
            lines += ["", speech.titled("output", "").rstrip(), "", *fenced(check["output"])]
    elif check["state"] == State.COULD_NOT_RUN:
        lines = [bold(speech, State.COULD_NOT_RUN, plain(check["actual"]))]
    return lines + ["- " + bold(speech, "remark", plain(text), "*") for text in check["remarks"]]


def bold(speech: Speech, key: str, text: str, mark: str = "**") -> str:
    return f"{mark}{speech.say(key)}{mark}{speech.colon}{text}"


def fenced(text: str) -> list[str]:
    """Un bloc littéral, dont le rendu ne peut pas sortir."""
    text = re.sub(r"[^\S\n]", " ", clean(text))
    return ["    " + line for line in text.splitlines()]


def how_driven(student: Record, speech: Speech) -> list[str]:
    if not student["how_driven"]:
        return []
    lines = ["", f"## {speech.say('driven')}", ""]
    for step, how in sorted(student["how_driven"].items()):
        source, _, dialect = how.partition(": ")
        told = speech.say(f"driven_{source}", dialect=f"`{flat(dialect).replace('`', '')}`")
        lines.append("- " + speech.titled(f"step_{step}", told))
    return lines
