"""Apprendre un dialecte du client de l'étudiant, lancé contre un faux serveur qui note tout."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from grader.learning.dialect import Dialect, Source, numbering, own_name, respell, returned, shape
from grader.learning.speaker import Speaker
from grader.learning.wire import Frame, Mock, Visit, mentions
from grader.running.questions import NAME
from grader.running.screen import Door, Screen

TURNS = 9  # réponses ou messages tapés avant de conclure
Opener = Callable[[Door], Awaitable[Screen]]


@dataclass(frozen=True)
class Lesson:
    """Ce qu'une conversation, finie, avec le faux serveur a montré d'un client."""

    mock: Mock
    speaker: Speaker
    screen: Screen
    without: tuple[str, ...]  # les fichiers que l'on n'a pas copiés
    asked: bool  # il a posé une question avant
    dialect: Dialect | None

    @property
    def connected(self) -> bool:
        return bool(self.mock.visits)

    @property
    def named(self) -> bool:
        """Le pseudo tapé est parti, et non comme un message de plus."""
        return self.mock.heard(self.speaker.pseudo) and not self.own_name

    @property
    def own_name(self) -> bool:
        """Il n'en demande pas : il porte un nom écrit d'avance."""
        return bool(self.dialect and self.dialect.pseudo != self.speaker.pseudo)

    @property
    def sure(self) -> bool:
        """Son dialecte est appris, et l'on sait où va le pseudo."""
        named = self.named or self.own_name
        return bool(self.dialect and named and not self.dialect.unasked)

    @property
    def spoke(self) -> bool:
        """Un message tapé est parti."""
        return any(map(self.mock.heard, self.speaker.texts))

    @property
    def worth(self) -> int:
        return self.connected + 2 * self.named + 2 * self.spoke + bool(self.dialect) + self.sure

    @property
    def first_text(self) -> str:
        """Le premier message : ce qui a été tapé avant n'était que pour entrer."""
        return self.dialect.text if self.dialect else self.speaker.texts[0]

    @property
    def leftovers(self) -> tuple[str, ...]:
        """Les fichiers d'une exécution d'avant qu'il a lus (ils lui évitent de demander)."""
        files = {event["path"] for event in self.screen.events if event.get("event") == "file"}
        return tuple(path for path in files if not path.endswith((".env", ".ini", ".toml")))


def answering(visit: Visit, frame: Frame) -> list[Frame]:
    """Un serveur poli : une session à l'arrivée, puis un accusé à chaque message."""
    answer = f"ID|{uuid.uuid4()}" if len(visit.frames) == 1 else "[12:00] Bien reçu"
    return [answer.encode() if isinstance(frame, bytes) else answer]


PERSONAS: tuple[dict[str, Any], ...] = (
    {},
    {"reply": answering},
    {"reply": answering, "greeting": ["Bienvenue ! Quel est ton pseudo ?"]},
)


async def learn(open_client: Opener, real: str = "") -> Lesson:
    """Fait parler un client à un faux serveur, muet, puis bavard si le client attend qu'on parle.

    `real` : l'adresse du vrai serveur de l'étudiant, à écouter par un relais plutôt que de le
    remplacer. Rend la meilleure leçon : celle où le pseudo et les messages sont partis.
    """
    best: Lesson | None = None
    without: tuple[str, ...] = ()
    for persona in [{"real": real}] if real else PERSONAS:
        async with Mock(**persona) as mock:
            lesson = await _take(open_client, mock, without)
        if best is None or lesson.worth > best.worth:
            best = lesson
        if lesson.sure and (lesson.asked or not lesson.leftovers):
            return lesson
        if not lesson.asked and not without:
            without = lesson.leftovers
    assert best
    return best


async def _take(open_client: Opener, mock: Mock, without: tuple[str, ...]) -> Lesson:
    speaker = Speaker()
    screen = await open_client(Door(mock.port, speaker.pseudo, without, mock.heard))
    await screen.quiet()
    asked = bool(screen.output.strip())
    await speaker.converse(screen, mock, TURNS, lambda: _dialect(mock, speaker, screen))
    await screen.end()
    return Lesson(mock, speaker, screen, without, asked, _dialect(mock, speaker, screen))


def _dialect(mock: Mock, speaker: Speaker, screen: Screen) -> Dialect | None:
    """Le dialecte, une fois que deux messages de suite ont la même forme."""
    if len(speaker.spoken) < 2:
        return None
    visit = max(mock.visits, key=lambda visit: len(visit.frames))
    one, two = speaker.spoken[-2:]
    firsts = [n for n, frame in enumerate(visit.frames) if mentions(frame, one)]
    seconds = [n for n, frame in enumerate(visit.frames) if mentions(frame, two)]
    if not firsts or not seconds:
        return None
    template = visit.frames[firsts[0]]
    if shape(respell(template, {one: two}, {})) != shape(visit.frames[seconds[0]]):
        return None
    hello, pseudo, unasked = visit.frames[: firsts[0]], speaker.pseudo, False
    if not NAME.search(screen.output):
        as_message = shape(respell(template, {one: pseudo}, {}))
        others = [frame for frame in hello if shape(frame) != as_message]
        used = any(mentions(frame, pseudo) for frame in [*others, template, visit.path])
        if not used and (own := own_name([*others, template], one)):
            hello, pseudo = others, own
        else:
            unasked = len(others) < len(hello)
    return Dialect(
        hello=hello,
        message=template,
        pseudo=pseudo,
        text=one,
        path=visit.path,
        headers=visit.headers,
        protocols=visit.protocols,
        source=Source.CLIENT,
        numbered=numbering(template, visit.frames[seconds[0]]),
        returned=returned(visit.answers, [*hello, template]),
        unasked=unasked,
    )
