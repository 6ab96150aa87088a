"""Un texte venu d'un rendu, sans rien qui commande un terminal ni se lise à l'envers."""

import re

# Ce que fait un terminal d'un texte (C0, C1), les marques qui en changent le sens de lecture, et
# les moitiés de caractère, qui ne s'écrivent dans aucun fichier.
COMMANDS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
ORDERS = re.compile(f"[{COMMANDS}]+")
LONGEST = 300  # caractères d'une ligne


def encodable(text: str) -> str:
    """Le texte, où ce qui ne s'écrit pas en UTF-8 se lit : un nom venu d'un vieux disque."""
    return text.encode("utf-8", "backslashreplace").decode()


def clean(text: str) -> str:
    """Le texte, ses lignes et ses tabulations ; rien d'autre d'invisible."""
    return ORDERS.sub(" ", encodable(text))


def flat(text: str) -> str:
    """Une seule ligne, pas trop longue."""
    text = re.sub(r"[\n\t]+", " ", clean(text))
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "…"


def quoted(text: str) -> str:
    """Une seule ligne, où l'invisible se lit : « \\x1b ». Un nom reste ainsi celui d'un seul."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
