"""Où écrire dans une page que l'on découvre, que choisir, et sur quoi appuyer."""

import re
from typing import Any

from grader.running.questions import (
    FILLER,
    HOST,
    MESSAGE,
    NAME,
    OTHER,
    PATH,
    PORT,
    SECRET,
    URL,
    server_address,
)

# Les boutons qu'il ne faut pas essayer : ils effacent, quittent, ou changent d'avis.
AVOID = re.compile(
    r"quit|d[ée]con|disc|clear|effac|clos|ferm|leav|stop|reset|annul|cancel|accueil|retour|\bback\b",
    re.I,
)
SUBMIT = re.compile(r"envo|send|ok|valid|\bdire\b|parl|post|publi", re.I)
ENTER = re.compile(r"connec|rejoi|join|entr|start|démar|open|ouvr|login", re.I)
AGREE = re.compile(r"accept|agree|r[èe]gle|rules|condition|terms|\blu\b", re.I)
SEARCH = re.compile(r"recherch|search|filtr", re.I)
# Ce que l'on met dans un champ sans importance, selon sa sorte.
FILLERS = {"email": f"{FILLER}@exemple.fr", "number": "20", "tel": "0102030405",
           "url": "https://exemple.fr"}  # fmt: skip

WORDLESS = ("password", "number", "email", "tel", "url")  # un message n'y tient pas
PLACE = re.compile(r"^(/\S*|[\w.-]+:\d+\S*)$")  # « /chat », « 10.0.0.7:8888 »
EXAMPLE = re.compile(r"wss?://[^\s'\"<>]+", re.I)

Described = dict[str, Any]  # un champ ou un choix, tel que le décrit fields.js


def field_to_fill(fields: list[Described], filled: list[str]) -> int | None:
    """Le champ à remplir : ni un réglage, ni le pseudo déjà rempli."""
    free = []
    for number, field in enumerate(fields):
        label = field["label"]
        kind = "" if NAME.search(label) and field["kind"] != "password" else field["kind"]
        if not is_address(field) and kind not in WORDLESS:
            free.append((number, label))
    if not free:
        return None
    names = [n for n, label in free if NAME.search(label) and identity(fields, n) not in filled]
    if names:
        return names[0]
    fresh = [(n, label) for n, label in free if not NAME.search(label)] or free
    spoken = [n for n, label in fresh if MESSAGE.search(label)]
    plain = [n for n, label in fresh if not OTHER.search(label)]
    return [n for n, _ in fresh][-1] if not (spoken or plain) else (spoken or plain)[-1]


def is_address(field: Described) -> bool:
    """Vrai pour l'adresse, l'hôte, le port ou le chemin du serveur."""
    label, value = field["label"], field["value"]
    asks = URL.search(label + value) or any(one.search(label) for one in (HOST, PORT, PATH))
    return bool((asks or PLACE.search(value)) and not NAME.search(label))


def addresses(fields: list[Described]) -> dict[int, str]:
    """Ce que l'on met dans les champs d'adresse laissés vides : l'exemple qui s'y lit, ou une."""
    answers = {}
    for number, field in enumerate(fields):
        if is_address(field) and not field["value"] and not OTHER.search(field["label"]):
            shown = EXAMPLE.search(field["label"])
            answers[number] = shown[0] if shown else server_address(field["label"]) or ""
    return answers


def identity(fields: list[Described], number: int) -> str:
    """De quoi reconnaître un champ d'une fois à l'autre, même si la page se redessine."""
    return fields[number]["own"] or str(number)


def beside(fields: list[Described], number: int, text: str) -> dict[int, str]:
    """Ce qu'une personne met dans les autres champs du même formulaire, restés vides."""
    answers = {}
    for other, field in enumerate(fields):
        label, kind = field["label"], field["kind"]
        same = other != number and field["form"] == fields[number]["form"]
        if not same or field["value"].strip() or MESSAGE.search(label):
            continue
        if kind == "password" or SECRET.search(label):
            answers[other] = "secret"
        elif NAME.search(label):
            answers |= {other: text} if field["required"] and NAME.search(label) else {}
        elif field["required"] or (OTHER.search(label) and not SEARCH.search(label)):
            answers[other] = FILLERS.get(kind, FILLER)
    return answers


def choices_to_make(choices: list[Described], form: int) -> list[int]:
    """Les menus sans valeur, le premier bouton de chaque groupe, les cases qu'il faut cocher."""
    made: dict[str, int] = {}
    for number, choice in enumerate(choices):
        box = choice["kind"] == "checkbox"
        if choice["form"] == form and (
            not box or choice["required"] or AGREE.search(choice["label"])
        ):
            group = choice["group"] if choice["kind"] == "radio" else f"{number}"
            made.setdefault(f"{choice['kind']} {group}", number)
    return list(made.values())


def buttons_to_press(labels: list[str], after: int, connected: bool) -> list[int]:
    """Les boutons à presser, dans l'ordre ; `after` : le premier qui suive le champ rempli."""
    ranks = [rank for rank, label in enumerate(labels) if not AVOID.search(label)]
    first = SUBMIT if connected else ENTER
    return sorted(ranks, key=lambda rank: (not first.search(labels[rank]), rank != after))
