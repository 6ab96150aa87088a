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

from grader.learning.wire import Frame, text_of, unwrap
from grader.running.questions import FILLER

PSEUDO, MESSAGE = "pseudoquelconque", "messagequelconque"  # les mots des modèles écrits ici
UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.I)
VALUE = re.compile(r"(?=[\w-]*\d)[\w-]{3,}")
# Où un client écrit son nom : dans un objet JSON, après « Hello| », devant « : bonjour ».
NAMED = re.compile(
    r'"(?:pseudo|user(?:name)?|nom|name|nick(?:name)?|auteur|author|from|sender|login)"'
    r'\s*:\s*"(\w[\w -]*)"',
    re.I,
)
OPENING = re.compile(r"[A-Za-z]+\s*[|:;,/]\s*(\w[\w -]*)")
SIGNED = re.compile(r"[\[(<]?(\w[\w-]*)[\])>]?\s*[:>]")
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
class Returned:
    """Une valeur que le serveur donne et que le client lui rend : le 7f3a de « ID|7f3a »."""

    value: str
    before: str  # ce qui la précède dans le message du serveur

    def read(self, frames: Sequence[Frame]) -> str | None:
        """Celle que l'un de ces messages donne."""
        given = re.compile(re.escape(self.before) + f"({VALUE.pattern})")
        found = (given.search(text_of(frame)) for frame in frames)
        return next((match[1] for match in found if match), None)


def numbers(text: str) -> list[re.Match[str]]:
    """Les nombres de ce texte, sauf ceux d'un mot, d'un identifiant, d'une date ou d'une heure."""
    return list(re.finditer(r"(?<![\w.-])(?<!\d:)\d+(?![\w.-]|:\d)", text))


def numbering(one: Frame, two: Frame) -> int | None:
    """Le rang du nombre qui augmente de un de ce message au suivant : « MSG|1|… », « MSG|2|… »."""
    pairs = zip(numbers(text_of(one)), numbers(text_of(two)), strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if int(b[0]) == int(a[0]) + 1), None)


def renumbered(frame: Frame, place: int, more: int) -> Frame:
    """Ce message, dont le nombre de ce rang a augmenté d'autant."""
    text = frame.decode("latin-1") if isinstance(frame, bytes) else frame
    for one in numbers(text)[place : place + 1]:
        text = f"{text[: one.start()]}{int(one[0]) + more}{text[one.end() :]}"
    return text.encode("latin-1") if isinstance(frame, bytes) else text


def replaced(frame: Frame, old: str, new: str) -> Frame:
    return (
        frame.replace(old.encode(), new.encode())
        if isinstance(frame, bytes)
        else (frame.replace(old, new))
    )


def returned(given: Sequence[Frame], said: Sequence[Frame]) -> tuple[Returned, ...]:
    """Les valeurs tirées au sort par le serveur (il s'y trouve un chiffre) que le client rend."""
    texts = [text_of(frame) for frame in said]
    values: dict[str, Returned] = {}
    for text in map(text_of, given):
        for found in VALUE.finditer(text):
            before = re.split(r"\d", text[: found.start()])[-1][-12:]
            if any(found[0] in one for one in texts):
                values.setdefault(found[0], Returned(found[0], before))
    return tuple(values.values())


def own_name(frames: Sequence[Frame], text: str) -> str:
    """Le nom que porte d'avance un client qui n'en demande pas, ou "" : « Hello|Camille »."""
    for said in map(text_of, frames):
        found = NAMED.search(said), OPENING.fullmatch(said), SIGNED.match(said)
        if name := next((one[1] for one in found if one and one[1] != text), ""):
            return name
    return ""


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
    returned: tuple[Returned, ...] = ()
    numbered: int | None = None  # le rang du nombre, dans un message, qui compte les messages
    unasked: bool = False  # rien ne dit que ce client ait voulu un pseudo

    @property
    def guessed(self) -> bool:
        """Aucun client ne l'a appris."""
        return self.source in (Source.KNOWN, Source.CODE)

    def arrival(self, pseudo: str, ids: dict[str, str], given: Sequence[Frame] = ()) -> list[Frame]:
        """`given` : ce que le serveur a déjà envoyé, où prendre les valeurs à lui rendre."""
        frames = [self._said(frame, {self.pseudo: pseudo}, ids, given) for frame in self.hello]
        return frames + [self.saying(pseudo, FILLER, ids, given, n) for n in range(self.more)]

    def saying(
        self,
        pseudo: str,
        text: str,
        ids: dict[str, str],
        given: Sequence[Frame] = (),
        rank: int = 0,
    ) -> Frame:
        """`rank` : combien de messages l'ont précédé."""
        frame = self.message
        if self.numbered is not None:
            frame = renumbered(frame, self.numbered, rank)
        return self._said(frame, {self.text: text, self.pseudo: pseudo}, ids, given)

    def _said(
        self, frame: Frame, spelling: dict[str, str], ids: dict[str, str], given: Sequence[Frame]
    ) -> Frame:
        for one in self.returned:
            if value := one.read(given):
                frame = replaced(frame, one.value, value)
                ids[value] = value  # un identifiant rendu reste celui du serveur
        return respell(frame, spelling, ids)

    def address(self, pseudo: str, ids: dict[str, str]) -> str:
        return _respelled(self.path, {self.pseudo: pseudo}, ids)

    def labels(self, pseudo: str, ids: dict[str, str]) -> dict[str, str]:
        """Les en-têtes que ce client ajoute."""
        words = {name: value.split(" ") for name, value in self.headers.items()}
        return {
            name: " ".join(_respelled(word, {self.pseudo: pseudo}, ids) for word in parts)
            for name, parts in words.items()
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
