"""Parler par un client que l'on découvre : répondre à ce qu'il demande, puis dire des mots."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from grader.clock import until
from grader.learning.dialect import word, words
from grader.learning.wire import Mock
from grader.running.questions import (
    MENU,
    NAME,
    SECRET,
    beside,
    first_choice,
    server_address,
)
from grader.running.screen import Screen

IDLE = 3  # réponses de suite restées sans effet : le client n'écoute plus


@dataclass
class Speaker:
    """Une personne au clavier : son pseudo, ce qu'elle a à dire, ce qu'elle a déjà tapé.

    `spoken` : ceux de ses messages qui sont partis aussitôt tapés.
    """

    pseudo: str = field(default_factory=word)
    texts: list[str] = field(default_factory=lambda: words(6, 4))
    typed: list[str] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)

    async def converse(
        self, screen: Screen, mock: Mock, turns: int, enough: Callable[[], object]
    ) -> None:
        """Répond et parle jusqu'à `enough()`, `turns` fois au plus."""
        idle = 0
        for _ in range(turns):
            if enough() or not screen.alive or idle == IDLE:
                return
            answer = self.choose(screen.question, mock)
            self.typed.append(answer)
            await screen.tell(answer)
            await screen.quiet(0.1, 0.6)
            await until(partial(_settled, screen, mock, answer), 1.5)
            if answer in self.texts and mock.heard(answer):
                self.spoken.append(answer)
            idle = 0 if mock.heard(answer) or screen.question else idle + 1

    def choose(self, asked: str, mock: Mock) -> str:
        """La réponse à ce que le programme vient d'écrire, `asked`."""
        lines = [line for line in asked.splitlines() if line.strip()]
        question = lines[-1] if lines else ""
        if not mock.visits and (address := server_address(question)):
            return address
        if SECRET.search(question):
            return "secret"
        if MENU.search("\n".join(lines[-6:])) and "1" not in self.typed:
            return "1"
        if not NAME.search(question) and (choice := first_choice(question)):
            if choice not in self.typed:
                return choice
        if (aside := beside(question)) and self.typed.count(aside) < 2:
            return aside
        if not mock.heard(self.pseudo):  # il l'a pu recevoir en argument
            again = NAME.search(question) and self.typed.count(self.pseudo) < 2
            if again or self.pseudo not in self.typed:
                return self.pseudo
        return next((text for text in self.texts if text not in self.typed), self.texts[-1])


def _settled(screen: Screen, mock: Mock, answer: str) -> bool:
    """Vrai si cette réponse est arrivée au bout, ou ne le fera plus."""
    return mock.heard(answer) or not screen.alive
