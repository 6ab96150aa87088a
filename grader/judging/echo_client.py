"""Étapes I.1 et I.2, les clients : se connecter, envoyer ce que l'on saisit, montrer la réponse."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from grader.clock import until
from grader.judging.stage import opening
from grader.judging.student import Student
from grader.learning.dialect import respell, word
from grader.learning.speaker import Speaker
from grader.learning.wire import Frame, Mock, Visit, mentions, text_of
from grader.running.arguments import SPOKEN
from grader.running.screen import Door, Screen, tail
from grader.verdict import Came, CouldNotRun, Verdicts, could_not_run, expect

ANSWER = 3  # secondes pour une réponse
TURNS = 6  # réponses ou messages tapés avant de conclure


@dataclass(frozen=True)
class Model:
    """Un message, et le mot qui s'y trouve : un autre mot en fait un autre message."""

    frame: Frame
    text: str

    @property
    def is_plain(self) -> bool:
        """Vrai si le message n'est que ce mot."""
        return text_of(self.frame).strip() == self.text

    def saying(self, text: str) -> Frame:
        return respell(self.frame, {self.text: text}, {})


@dataclass
class Seen:
    """Ce qu'un essai a montré d'un client : ce qu'il a envoyé, ce qu'on lui a répondu.

    `shown` : a-t-il montré cette réponse ?
    """

    mock: Mock
    speaker: Speaker
    screen: Screen
    answers: list[Frame] = field(default_factory=list)
    shown: bool = False

    @property
    def said(self) -> str:
        """Ce qui est parti de ce que l'on a tapé, ou donné au script en argument."""
        return next(filter(self.mock.heard, (*self.speaker.typed, SPOKEN)), "")

    @property
    def sent(self) -> Model | None:
        """Le message où c'est parti."""
        said = self.said
        frames = [frame for frame in self.mock.frames if said and mentions(frame, said)]
        return Model(frames[0], said) if frames else None

    def verdicts(self, student: Student, check: str, role: str) -> Verdicts:
        """Une fois le client fermé."""
        sent, typed = " / ".join(map(text_of, self.mock.frames[:3])), " / ".join(self.speaker.typed)
        output, answer = tail(self.screen.output), " / ".join(map(text_of, self.answers[:3]))
        verdicts = {
            f"{check}.connects": expect(self.mock.visits, Came.NEVER_CONNECTED, output=output),
            f"{check}.sends": expect(self.said, Came.SENT_OTHER, typed=typed, sent=sent)
            if sent
            else expect(self.said, Came.SENT_NOTHING, typed=typed, output=output),
            f"{check}.prints": expect(self.shown, Came.NOT_SHOWN, answer=answer, output=output),
        }
        if self.screen.lacks:
            why = student.lacking(self.screen.lacks)
            lacking = could_not_run(why.came, **why.params)
            verdicts = {check: one if one.good else lacking for check, one in verdicts.items()}
        return student.explain(verdicts, role, self.screen)


async def python_client(student: Student) -> Verdicts:
    return await _client(student, "i1.client", "i1.client")


async def javascript_client(student: Student) -> Verdicts:
    """Une page qui charge le script passe avant le script seul."""
    script, page = "i2.client.js", "i2.client.html"
    alone = not student.has(page) or not student.has(script)
    if alone or not student.desk.is_for_pages(script):
        return await _client(student, "i2.client", script, page)
    return await _client(student, "i2.client", page, script)


async def _client(student: Student, check: str, *roles: str) -> Verdicts:
    """Un client d'écho (`check` : "i1.client" ou "i2.client"), dans le premier essai qui marche.

    `roles` : les scripts candidats ; le meilleur résultat est gardé.
    """
    best: Verdicts = {}
    for role in filter(student.has, roles):
        async with aclosing(_tries(student, role)) as tries:
            async for seen in tries:
                verdicts = seen.verdicts(student, check, role)
                if _count(verdicts) > _count(best) or not best:
                    best = verdicts
                if _count(best) == 3:
                    return best
    return best


def _count(verdicts: Verdicts) -> int:
    return sum(verdict.good for verdict in verdicts.values())


async def _tries(student: Student, role: str) -> AsyncGenerator[Seen]:
    """Les essais de ce client, face à des serveurs de moins en moins ordinaires ; puis au sien."""
    greeting: list[Frame] = []
    yield (seen := await facing_mock(student, role))
    if not (seen.said or seen.shown):  # connecté, il attend peut-être que le serveur parle
        greeting = ["Bienvenue !"] if seen.mock.visits else []
        yield (seen := await facing_mock(student, role, greeting))
    if theirs := await facing_theirs(student, role):
        yield theirs
        seen = theirs if theirs.said else seen
    if (
        sent := seen.sent
    ):  # à défaut, ce qu'il envoie lui est retourné, ou la même chose, de nouveau
        yield await facing_mock(student, role, greeting, None if sent.is_plain else sent)


async def facing_mock(
    student: Student, role: str, greeting: Sequence[Frame] = (), model: Model | None = None
) -> Seen:
    """Un essai face à un faux serveur ; `model` : la réponse à imiter, au lieu de la phrase de
    l'énoncé.
    """
    reply, speaker = word(5), Speaker()

    def answer(visit: Visit, frame: Frame) -> list[Frame]:
        said = next((text for text in (*speaker.typed, SPOKEN) if mentions(frame, text)), "")
        if model and said:
            return [model.saying(f"{said} {reply}")]
        text = f'Hello client ! Received "{text_of(frame)}" {reply}'
        return [text.encode() if isinstance(frame, bytes) else text]

    async with Mock(answer, greeting) as mock:
        seen = await _talk(student, role, mock, speaker)
        seen.answers.append(reply)
        await until(lambda: reply in seen.screen.output, ANSWER if mock.frames else 0.1)
        seen.shown = reply in seen.screen.output
        await seen.screen.end()
    return seen


async def facing_theirs(student: Student, role: str) -> Seen | None:
    """Un essai face au serveur du même rendu, par un relais qui retient sa réponse le temps de voir
    ce que le client en montre ; None s'il n'y en a pas.
    """
    if not student.has("i1.server"):
        return None
    try:
        async with opening(student, "i1.server")() as stage:
            return await relayed(student, role, stage.server.url) if stage.server.url else None
    except CouldNotRun:
        return None


async def relayed(student: Student, role: str, url: str) -> Seen:
    """Un essai face au vrai serveur de cette adresse."""
    speaker, held, free = Speaker(), list[Frame](), asyncio.Event()

    async def gate(frame: Frame) -> None:
        if any(map(mock.heard, (*speaker.typed, SPOKEN))):
            held.append(frame)
            await free.wait()

    async with Mock(real=url, gate=gate) as mock:
        seen = await _talk(student, role, mock, speaker)
        screen, seen.answers = seen.screen, held
        await until(lambda: held, ANSWER if mock.frames else 0.1)
        await screen.quiet()
        before = Counter(screen.output.splitlines())
        free.set()

        def shows() -> bool:
            fresh = Counter(screen.output.splitlines()) - before
            looked = [*speaker.typed, SPOKEN, *filter(None, map(str.strip, map(text_of, held)))]
            return any(mentions(line, text) for line in fresh for text in looked)

        seen.shown = bool(await until(shows, ANSWER if held else 0.1))
        await screen.end()
    return seen


async def _talk(student: Student, role: str, mock: Mock, speaker: Speaker) -> Seen:
    """Ouvre ce client et lui tape de quoi parler."""
    screen = await student.desk.open(role, Door(mock.port, speaker.pseudo, heard=mock.heard))
    seen = Seen(mock, speaker, screen)
    await screen.quiet()
    await speaker.converse(screen, mock, TURNS, lambda: seen.said)
    return seen
