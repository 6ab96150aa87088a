"""Le journal que tient le calque chez l'étudiant, lu comme ce qu'un inconnu a pu écrire.

Un fait qui n'a pas exactement la forme que le calque lui donne n'existe pas : il ne fait réussir ni
échouer personne, et ne fait pas se tromper le correcteur.
"""

import json
import os
from typing import Any

from grader.running.bounds import JOURNAL
from grader.verdict import Event

Form = dict[str, tuple[type, ...]]
MAX_TEXT = 2000  # caractères d'un fait
TEXT, NUMBER, LINE = (str,), (int,), (int, type(None))
# Les champs de chaque sorte de fait ; « ? » à la fin d'un nom : il peut manquer.
FORMS: dict[str, Form] = {
    "listen": {"host": TEXT, "port": NUMBER, "asked?": (list, type(None))},
    "connect": {"kind": TEXT, "host": TEXT, "port": LINE},
    "name": {"host": TEXT},
    "file": {"path": TEXT},
    "sync_redis": {
        "command": TEXT,
        "loop": (bool,),
        "thread": (bool,),
        "file?": TEXT,
        "line?": NUMBER,
    },
    "unawaited": {"name": TEXT, "module": TEXT, "library": TEXT, "file?": TEXT, "line?": NUMBER},
    "answer": {"id": NUMBER, "registries?": (list,), "error?": TEXT},
    "remark": {"key": TEXT, "name?": TEXT, "file?": TEXT, "line?": LINE},
    "patch_failed": {"module": TEXT, "error": TEXT},
}
REGISTRY: Form = {"path": TEXT, "kind": TEXT, "size": NUMBER}
KINDS = {"data", "sockets", "attributes"}


class Journal:
    """Les faits notés jusqu'ici, dans l'ordre.

    Il se lit par un descripteur ouvert avant le lancement : à sa place, le rendu a pu mettre un
    lien, ou une FIFO où l'on attendrait pour toujours.
    """

    def __init__(self, descriptor: int) -> None:
        self._file = descriptor
        self.events: list[Event] = []
        self._offset = 0

    def refresh(self) -> None:
        try:
            data = os.pread(self._file, max(0, JOURNAL - self._offset), self._offset)
        except OSError:  # fermé
            return
        complete = data.rpartition(b"\n")[0]
        self._offset += len(complete) + (1 if complete else 0)
        self.events += filter(None, map(read_event, complete.splitlines()))

    def close(self) -> None:
        """Le lit une dernière fois ; ensuite il ne change plus."""
        self.refresh()
        os.close(self._file)
        self._file = -1


def read_event(line: bytes) -> Event | None:
    """Le fait qu'écrit cette ligne, ou None si le calque ne l'aurait pas écrit ainsi."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict):
        return None
    facts: dict[str, Any] = dict(event)
    kind = facts.pop("event", None)
    form = FORMS.get(kind) if isinstance(kind, str) else None
    if form is None or not _fits(facts, form):
        return None
    if not all(map(_is_registry, facts.get("registries", ()))):
        return None
    return event


def _fits(facts: dict[str, Any], form: Form) -> bool:
    """Vrai si ces champs sont tous de cette forme, et qu'il n'en manque pas."""
    known = {name.rstrip("?"): types for name, types in form.items()}
    needed = {name for name in form if not name.endswith("?")}
    return needed <= facts.keys() <= known.keys() and all(
        type(fact) in known[name] and (not isinstance(fact, str) or _is_readable(fact))
        for name, fact in facts.items()
    )


def _is_readable(text: str) -> bool:
    """Vrai d'un texte qu'un rapport peut citer : le JSON sait écrire des moitiés de caractère."""
    try:
        return len(text.encode()) <= MAX_TEXT
    except UnicodeEncodeError:
        return False


def _is_registry(one: object) -> bool:
    return isinstance(one, dict) and _fits(one, REGISTRY) and one["kind"] in KINDS
