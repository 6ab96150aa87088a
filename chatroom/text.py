"""Ce qu'on accepte d'un inconnu : un message sur une ligne, un pseudo que personne n'imite."""

import re
import unicodedata
from enum import IntEnum
from typing import NamedTuple

from precis_i18n import get_profile

MAX_PSEUDO = 32  # caractères
MAX_MESSAGE = 2000  # caractères

# La RFC 8266 : ce qu'un pseudo peut contenir, comment le montrer, et ce qui en distingue deux.
SHOWN, FOLDED = get_profile("NicknameCasePreserved"), get_profile("Nickname")
BLANK = "\u2800"  # du braille sans aucun point : un dessin pour la RFC, du vide pour l'œil
SERVER_LINES = ("[", "annonce :", "erreur :", "welcome back", "vous avez dit :", "hello|", "id|")


class Code(IntEnum):
    """Pourquoi une connexion se ferme. Les scripts Lua rendent les mêmes nombres."""

    NOT_TEXT = 1003
    REFUSED = 1008
    SILENT = 1012  # son serveur n'a pas donné de nouvelles à temps
    LATER = 1013
    TAKEN_OVER = 4001
    UNKNOWN_SESSION = 4002
    PSEUDO_TAKEN = 4003


class Refused(Exception):
    """Une connexion que l'on ferme, et la raison qu'on lui en donne."""

    def __init__(self, code: Code, reason: str):
        super().__init__(reason)
        self.code = code


class Pseudo(NamedTuple):
    """Un pseudo tel qu'il se montre, et ce qui en distingue deux : « Léa » et « ｌÉA » font un."""

    shown: str
    folded: str


def clean_message(text: str) -> str:
    """Rend un message sur une ligne, sans rien qui puisse déranger un écran."""
    text = unicodedata.normalize("NFC", text)
    if not text.isprintable():  # le plus souvent il n'y a rien à trier
        # Chaque blanc devient une espace, sauf les insécables françaises.
        text = re.sub(r"\r\n|[^\S\u00a0\u202f]", " ", text)
        text = unicodedata.normalize("NFC", "".join(filter(harmless, text)))
    return text.strip()


def harmless(character: str) -> bool:
    """Dit si un caractère laisse l'écran tranquille ; les émojis ont besoin des deux liants."""
    category = unicodedata.category(character)
    return category not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") or character in "\u200c\u200d"


def clean_pseudo(text: str) -> Pseudo:
    """Rend un pseudo tel qu'il servira ; lève Refused s'il ne le peut pas."""
    text = text.strip()
    if len(text) > 10 * MAX_PSEUDO:  # inutile d'y regarder de près
        raise Refused(Code.REFUSED, f"un pseudo tient en {MAX_PSEUDO} caractères")
    try:
        shown = SHOWN.enforce(text)
        pseudo, refused = Pseudo(shown, FOLDED.enforce(shown)), BLANK if BLANK in shown else ""
    except UnicodeEncodeError as error:
        pseudo, refused = Pseudo("", ""), error.object[error.start : error.start + 1]
    if refused:
        code_point = f"U+{ord(refused):04X}"
        raise Refused(Code.REFUSED, f"un pseudo ne contient pas le caractère {code_point}")
    if not any(unicodedata.category(character)[0] not in "CMZ" for character in pseudo.shown):
        raise Refused(Code.REFUSED, "il faut un pseudo que l'on puisse voir")
    if len(pseudo.shown) > MAX_PSEUDO:
        raise Refused(Code.REFUSED, f"un pseudo tient en {MAX_PSEUDO} caractères")
    if " a dit : " in f" {pseudo.folded} " or pseudo.folded.startswith(SERVER_LINES):
        raise Refused(Code.REFUSED, "ce pseudo ressemble à une phrase du serveur")
    return pseudo
