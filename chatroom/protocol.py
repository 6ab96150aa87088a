"""Ce qui se passe dans la salle, et la ligne qui le dit à un client."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from .logs import warn_once
from .text import MAX_MESSAGE, MAX_PSEUDO, clean_message

ROOM = "{chatroom}:room"  # le stream de Redis : ce qui se passe, en ordre, pour tous les serveurs
SENTENCES = {
    "enter": "Annonce : {pseudo} a rejoint la chatroom",
    "return": "Annonce : {pseudo} est de retour !",
    "say": "{pseudo} a dit : {text}",
    "leave": "Annonce : {pseudo} a quitté la chatroom",
}


class Entry(NamedTuple):
    """Une chose qui s'est passée dans la salle. `author` désigne sa session sans la révéler."""

    id: str
    kind: str
    author: str
    pseudo: str
    text: str = ""
    previous: str = ""  # pour un retour : la connexion qui tenait la session jusque-là

    @classmethod
    def parse(cls, entry_id: Any, fields: Mapping[str, Any]) -> "Entry | None":
        """Lit une entrée du stream ou un document, que n'importe qui a pu écrire : ce qui n'est pas
        à nous se saute, et se dit une fois ; le reste est nettoyé."""
        names = "kind", "author", "pseudo", "text", "previous"
        values = [fields.get(name, "") for name in names]
        if is_position(entry_id) and all(isinstance(value, str) for value in values):
            kind, author, pseudo, text, previous = values
            told = pseudo and kind in SENTENCES and (text or kind != "say")
            if told and len(pseudo) <= MAX_PSEUDO and len(text) <= MAX_MESSAGE:
                pseudo, text = clean_message(pseudo), clean_message(text)
                return cls(entry_id, kind, author, pseudo, text, previous)
        warn_once("entrée %s ignorée : elle n'est pas de la chatroom", entry_id, every=math.inf)
        return None

    def line(self) -> str:
        """Rend la ligne à montrer."""
        sentence = SENTENCES[self.kind].format(pseudo=self.pseudo, text=self.text)
        return f"{stamp(moment(self.id))} {sentence}"


def read_page(raw: Iterable[tuple[str, Mapping[str, str]]]) -> tuple[list[str], list[Entry]]:
    """Lit un morceau du stream : les ids de toutes ses entrées, et celles d'entre elles à nous."""
    read = [(entry_id, Entry.parse(entry_id, fields)) for entry_id, fields in raw]
    return [entry_id for entry_id, _ in read], [entry for _, entry in read if entry]


def is_position(text: Any) -> bool:
    """Dit si un texte est un id du stream."""
    return isinstance(text, str) and re.fullmatch("[0-9]{1,20}-[0-9]{1,20}", text) is not None


def order(entry_id: str) -> str:
    """Rend un texte qui range les ids comme le stream : tels quels, 1-10 viendrait avant 1-9."""
    milliseconds, number = entry_id.split("-")
    return f"{milliseconds:0>20}-{number:0>20}"


def moment(entry_id: str, zone: tzinfo | None = None) -> datetime:
    """Rend l'instant d'une entrée, dont l'id commence par l'heure ; maintenant, s'il ne se peut."""
    try:
        return datetime.fromtimestamp(int(entry_id.partition("-")[0]) / 1000, zone)
    except (ValueError, OverflowError, OSError):
        return datetime.now(zone)


def stamp(when: datetime) -> str:
    """Rend l'heure entre crochets, avec le jour si ce n'est pas aujourd'hui."""
    today = when.date() == datetime.now().date()
    return f"[{when:%H:%M}]" if today else f"[{when:%d/%m %H:%M}]"


def announcement(sentence: str) -> str:
    """Rend la ligne de ce que le serveur annonce de lui-même."""
    return f"{stamp(datetime.now())} Annonce : {sentence}"
