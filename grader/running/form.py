"""Où écrire dans une page que l'on découvre, et sur quoi appuyer."""

import re
from typing import Any

from grader.running.questions import HOST, MESSAGE, NAME, OTHER, PORT, URL

# Les boutons qu'il ne faut pas essayer : ils effacent, quittent, ou changent d'avis.
AVOID = re.compile(r"quit|d[ée]con|disc|clear|effac|clos|ferm|leav|stop|reset|annul|cancel", re.I)
SUBMIT = re.compile(r"envo|send|ok|valid|\bdire\b|parl|post|publi", re.I)
ENTER = re.compile(r"connec|rejoi|join|entr|start|démar|open|ouvr|login", re.I)


def field_to_fill(fields: list[dict[str, Any]], filled: list[int]) -> int | None:
    """Le champ à remplir : ni l'adresse déjà donnée, ni le pseudo déjà rempli."""
    free = []
    for number, field in enumerate(fields):
        label, value = field["label"], field["value"]
        address = URL.search(label + value) or HOST.search(label) or PORT.search(label)
        if not (address and not NAME.search(label)):
            free.append((number, label))
    if not free:
        return None
    names = [n for n, label in free if NAME.search(label) and n not in filled]
    if names:
        return names[0]
    fresh = [(n, label) for n, label in free if not NAME.search(label)] or free
    spoken = [n for n, label in fresh if MESSAGE.search(label)]
    plain = [n for n, label in fresh if not OTHER.search(label)]
    return [n for n, _ in fresh][-1] if not (spoken or plain) else (spoken or plain)[-1]


def buttons_to_press(labels: list[str], after: int, connected: bool) -> list[int]:
    """Les boutons à presser, dans l'ordre ; `after` : le premier qui suive le champ rempli."""
    ranks = [rank for rank, label in enumerate(labels) if not AVOID.search(label)]
    first = SUBMIT if connected else ENTER
    return sorted(ranks, key=lambda rank: (not first.search(labels[rank]), rank != after))
