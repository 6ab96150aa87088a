"""Un verdict : l'une des quatre issues, et ce qui est venu, en clés de la table des phrases."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any


class State(StrEnum):
    """Les quatre issues d'une vérification."""

    PASSED = auto()
    FAILED = auto()
    NOT_REACHED = auto()
    COULD_NOT_RUN = auto()


# Ce qui est venu, et ce qui se dit sans rien coûter : les clés [came] et [remarks] de checks.toml.
Came = StrEnum(
    "Came",
    """
    AS_EXPECTED NO_LISTEN REFUSED NO_ANSWER ANSWERED NEXT_CLOSED NEXT_CUT NEVER_CONNECTED
    SENT_OTHER SENT_NOTHING NOT_SHOWN NOT_DELIVERED UNNAMED NO_JOIN NO_LEAVE ABRUPT
    PSEUDO_NOT_SENT NOT_SHOWN_WAITING MUTE NO_REDIS_COMMAND NOTHING_ADDED STILL_THERE SYNC_CALL
    UNAWAITED REGISTRY NO_MONGO_COMMAND NOT_STORED NO_HISTORY ABSENT UNREAD NEEDS UNKNOWN_DIALECT
    UNKNOWN_DIALECT_TOO SEEN_ONCE NO_FACTS GRADER_ERROR TOO_LONG ALL_TOO_LONG CLOSED NEWER_PYTHON
    NO_NODE NO_WS NO_PACKAGE NO_NODE_PACKAGE NO_DISPLAY NO_BROWSER NEEDS_INTERNET NEEDS_MIRROR
    NO_REDIS NO_MONGO SYNC_THREAD UNCAUSED FORGOTTEN
    """,
)
Remark = StrEnum(
    "Remark",
    """
    ONE_MESSAGE OWN_FORM OWN_LABEL BINARY_ONLY UNNAMED NOT_ALL OBSOLETE_PATH OBSOLETE_START
    OBSOLETE_OPTION OBSOLETE_ATTRIBUTE OBSOLETE_NAME OBSOLETE_WAIT OBSOLETE_MODULE BUFFER_PRINTED
    REDIS_PASSWORD REDIS_TLS SYNC_OUTSIDE
    SOCKETS ATTRIBUTES STATE_FILE NEEDS_FLAG NEWER_PYTHON_USED SERVED_OVER_HTTP BY_LIST BY_WORD
    ON_REQUEST CUT_PROCESSES CUT_MEMORY CUT_DISK CUT_CONSOLE CUT_FRAMES REFUSED_COMMAND
    """,
)
REMARKS = frozenset(Remark)
Event = dict[str, Any]  # un fait noté par le calque, dans le processus de l'étudiant
Note = tuple[Remark, dict[str, Any]]  # une remarque et les paramètres de sa phrase
Mistake = tuple[str, dict[str, str]]  # une clé [mistakes] de checks.toml et ses paramètres


class CouldNotRun(Exception):
    """Notre machine empêche de juger : la raison et les paramètres de sa phrase."""

    def __init__(self, came: Came, **params: str):
        super().__init__(came)
        self.came, self.params = came, params


@dataclass
class Verdict:
    """L'issue d'une vérification, ce qui l'a faite, et des remarques qui ne coûtent rien."""

    state: State
    came: Came
    params: dict[str, Any] = field(default_factory=dict)
    mistake: Mistake | None = None
    remarks: list[Note] = field(default_factory=list)
    seconds: float = 0.0
    messages: int = 0

    @property
    def good(self) -> bool:
        return self.state == State.PASSED

    @property
    def bad(self) -> bool:
        return self.state == State.FAILED


Verdicts = dict[str, Verdict]  # identifiant de la vérification -> son verdict


def passed(*remarks: Note) -> Verdict:
    return Verdict(State.PASSED, Came.AS_EXPECTED, remarks=list(remarks))


def failed(came: Came, /, **params: str) -> Verdict:
    return Verdict(State.FAILED, came, params)


def expect(fact: object, came: Came, /, **params: str) -> Verdict:
    """Réussi si `fact`, sinon ce qui est venu à la place."""
    return passed() if fact else failed(came, **params)


def not_reached(came: Came, /, **params: Any) -> Verdict:
    return Verdict(State.NOT_REACHED, came, params)


def could_not_run(came: Came, /, **params: str) -> Verdict:
    return Verdict(State.COULD_NOT_RUN, came, params)


def remarks_of(events: Iterable[Event]) -> list[Note]:
    """Les remarques parmi ces faits, chacune une fois ; une clé inventée n'en est pas une."""
    found: list[Note] = []
    for event in events:
        if event.get("event") == "remark" and str(event.get("key")) in REMARKS:
            facts = {name: fact for name, fact in event.items() if name not in ("event", "key")}
            if (note := (Remark(event["key"]), facts)) not in found:
                found.append(note)
    return found
