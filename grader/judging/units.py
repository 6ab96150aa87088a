"""Les parts du travail, dans l'ordre : ce qui juge chacune, de quels scripts, après laquelle."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from grader.judging import chat_client, chat_server, echo, history, sessions
from grader.judging.student import Student
from grader.verdict import Verdicts


@dataclass(frozen=True)
class Unit:
    """`roles` : un seul suffit pour que la part ait un sens. `after` apprend ce qui sert ici."""

    judge: Callable[[Student], Awaitable[Verdicts]]
    roles: tuple[str, ...]
    after: str = ""


UNITS = {
    "i1.server": Unit(echo.server, ("i1.server",)),
    "i1.client": Unit(echo.python_client, ("i1.client",)),
    "i2.client": Unit(echo.javascript_client, ("i2.client.js", "i2.client.html")),
    "i3.server": Unit(chat_server.server, ("i3.server",)),
    "i3.client": Unit(
        chat_client.client, ("i3.client", "i3.client.html", "i3.client.js"), after="i3.server"
    ),
    "ii2.server": Unit(sessions.server, ("ii2.server",), after="i3.server"),
    "ii3.server": Unit(history.server, ("ii3.server",), after="ii2.server"),
}


def chain(unit: str) -> str:
    """La première part de celles qui s'enchaînent jusqu'à celle-ci : elles vont ensemble."""
    return chain(UNITS[unit].after) if UNITS[unit].after else unit
