"""Un client ouvert, script ou page, tel que le voit une personne assise devant."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from grader.running.arguments import NAMELESS
from grader.verdict import Event, Note

TAIL = 600  # caractères de la sortie d'un programme que le rapport cite


class Screen(Protocol):
    """Ce qu'il montre, ce qu'on y tape ; ce que le calque y note, et ce que vaut son lancement."""

    remarks: list[Note]
    lacks: str  # ce qui lui manque et viendrait d'Internet, ou ""
    signs: str  # ce qu'il montre sans mots : un champ éteint, la couleur d'une pastille

    @property
    def events(self) -> list[Event]: ...

    @property
    def output(self) -> str: ...

    @property
    def question(self) -> str:
        """Ce qui attend une réponse."""

    @property
    def alive(self) -> bool: ...

    async def quiet(self, silence: float = 0.25, longest: float = 3) -> None:
        """Attend que l'écran ne bouge plus."""

    async def tell(self, line: str) -> None:
        """Tape une ligne, ou remplit un champ."""

    def send_signal(self, number: int) -> None: ...

    async def end(self) -> None: ...


Heard = Callable[[str], bool]


def nothing(text: str) -> bool:
    return False


@dataclass(frozen=True)
class Door:
    """Où mène un client que l'on ouvre, et pour qui.

    `heard` dit si ce texte est arrivé au bout : une page n'essaie alors pas un autre bouton.
    `pseudo` est pour un script qui le veut en argument, `without` nomme des fichiers d'une
    exécution d'avant, que l'on ne copie pas.
    """

    port: int
    pseudo: str = NAMELESS
    without: tuple[str, ...] = ()
    heard: Heard = nothing


def tail(output: str) -> str:
    """La fin de ce qu'un programme a écrit."""
    text = output.strip()
    return text if len(text) <= TAIL else "… " + text[-TAIL:]
