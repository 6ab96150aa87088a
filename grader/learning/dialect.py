"""Le dialecte d'un chat : ce qu'un client envoie pour arriver, puis pour parler.

Ce sont des modèles de messages, où deux mots se remplacent : le pseudo et le texte.
"""

import base64
import random
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from grader.learning.wire import Frame, unwrap

PSEUDO, MESSAGE = "pseudoquelconque", "messagequelconque"  # les mots des modèles écrits ici
FILLER = "bleu"  # la réponse à une question du serveur que la leçon n'a pas vue
UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.I)
CONSONANTS, VOWELS = "bdfglmnprtvz", "aeiou"


class Source(StrEnum):
    """D'où vient un dialecte, ou ce qui en tient lieu."""

    CLIENT = "client"
    KNOWN = "known"
    CODE = "code"
    END_TO_END = "end_to_end"  # de vrais clients, faute de mieux
    NONE = "none"


def words(count: int, syllables: int) -> list[str]:
    return [word(syllables) for _ in range(count)]


def word(syllables: int = 3) -> str:
    """Un mot prononçable et sans doute unique, en minuscules : « vodaku »."""
    return "".join(random.choice(CONSONANTS) + random.choice(VOWELS) for _ in range(syllables))


def respell(frame: Frame, spelling: dict[str, str], ids: dict[str, str]) -> Frame:
    """Le message avec d'autres mots, écrits comme les premiers (Majuscule, MAJUSCULES), et
    d'autres identifiants : deux clients ne doivent pas porter le même.
    """
    if isinstance(frame, bytes):
        return _respelled(frame.decode("latin-1"), spelling, ids).encode("latin-1")
    return _respelled(frame, spelling, ids)


def _respelled(text: str, spelling: dict[str, str], ids: dict[str, str]) -> str:
    inside = unwrap(text)
    if any(old.casefold() in inside.casefold() for old in spelling):
        return base64.b64encode(_respelled(inside, spelling, ids).encode()).decode()
    for old, new in spelling.items():
        text = re.sub(re.escape(old), partial(_same_case, new), text, flags=re.I)
    return UUID.sub(lambda found: ids.setdefault(found[0], _like(found[0])), text)


def _same_case(new: str, found: re.Match[str]) -> str:
    """`new`, écrit comme ce qu'il remplace : Majuscule, MAJUSCULES."""
    seen = found[0]
    if seen.isupper():
        return new.upper()
    return new.capitalize() if seen[0].isupper() else new


def _like(old: str) -> str:
    return str(uuid.uuid4()) if "-" in old else uuid.uuid4().hex


@dataclass(frozen=True)
class Dialect:
    """`pseudo` et `text` sont les mots à remplacer dans `hello` et `message`."""

    hello: Sequence[Frame]
    message: Frame
    pseudo: str = PSEUDO
    text: str = MESSAGE
    path: str = "/"
    headers: dict[str, str] = field(default_factory=dict)
    protocols: Sequence[str] = ()
    source: Source = Source.KNOWN
    more: int = 0  # messages de plus qu'à la leçon, avant d'être vraiment entré

    def arrival(self, pseudo: str, ids: dict[str, str]) -> list[Frame]:
        frames = [respell(frame, {self.pseudo: pseudo}, ids) for frame in self.hello]
        return frames + [self.saying(pseudo, FILLER, ids)] * self.more

    def saying(self, pseudo: str, text: str, ids: dict[str, str]) -> Frame:
        return respell(self.message, {self.text: text, self.pseudo: pseudo}, ids)

    def address(self, pseudo: str, ids: dict[str, str]) -> str:
        return _respelled(self.path, {self.pseudo: pseudo}, ids)

    def labels(self, pseudo: str, ids: dict[str, str]) -> dict[str, str]:
        """Les en-têtes que ce client ajoute."""
        return {
            name: _respelled(value, {self.pseudo: pseudo}, ids)
            for name, value in self.headers.items()
        }

    @property
    def how(self) -> str:
        """D'où il vient et ce qu'il est, pour le rapport."""
        return f"{self.source}: {self.shown()}"

    def shown(self) -> str:
        """Le dialecte en une ligne, pour le rapport."""
        hello = ", ".join(map(_short, self.arrival("Zoe", {})))
        path = "" if self.path == "/" else self.address("Zoe", {}) + " "
        return f"{path}{hello or '—'} ; {_short(self.saying('Zoe', 'bonjour', {}))}"


def _short(frame: Frame) -> str:
    return repr(frame) if len(frame) < 80 else repr(frame[:77]) + "…"


def shape(frame: Frame) -> str:
    """Le message sans ce qui change d'une fois à l'autre : chiffres et identifiants."""
    text = frame.decode("latin-1") if isinstance(frame, bytes) else frame
    text = unwrap(text) or text
    return re.sub(r"[\d.]+", "0", UUID.sub("id", text)).casefold()
