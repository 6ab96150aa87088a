"""Étape I.3, le client : pseudo, envoi, réception pendant la saisie, fin du serveur."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from grader.clock import patience, until
from grader.judging.room import LATE, Person, Room, guests, people
from grader.judging.stage import opening
from grader.judging.student import Student
from grader.learning.dialect import Dialect, respell, word
from grader.learning.lesson import Lesson
from grader.learning.wire import REFUSED, Frame, Mock, Reply, text_of
from grader.running.screen import Door, Heard, Screen, nothing, tail
from grader.verdict import (
    Came,
    CouldNotRun,
    Remark,
    Verdict,
    Verdicts,
    expect,
    failed,
    passed,
    remarks_of,
)

SILENCE = 5  # secondes laissées à un client pour dire que le serveur est parti
PROMPT = 1  # seconde : ce qui vient plus tard est peut-être venu tout seul
SLACK = 2  # secondes dont une machine peut décaler ce qui vient tout seul
CHECKS = ("i3.client.pseudo", "i3.client.sends", "i3.client.receives", "i3.client.serverdown")
RECEIVES, DOWN = CHECKS[2:]
JSON_LINE = (
    '{{"type": "message", "pseudo": "Zoe", "user": "Zoe", "from": "Zoe", "message": "{0}", '
    '"content": "{0}", "text": "{0}", "msg": "{0}", "data": "{0}"}}'
)
# Des faux serveurs, de moins en moins ordinaires : ce qu'ils répondent, et en octets ou non.
SERVERS: tuple[tuple[Reply | None, bool], ...] = (
    (None, False),
    (lambda visit, frame: ["Bienvenue"], False),
    (lambda visit, frame: ["Bienvenue"], True),
)


async def client(student: Student) -> Verdicts:
    """Le client de I.3 ; s'il y en a deux, celui qui marche le mieux."""
    best: Verdicts = {}
    untried: CouldNotRun | None = None
    for role in student.clients("i3")[:2]:
        try:
            verdicts = await _judge(student, role)
        except CouldNotRun as reason:
            untried = reason
            continue
        if not best or _count(verdicts) > _count(best):
            best = verdicts
        if _count(best) == len(CHECKS):
            return best
    if untried:  # celui que l'on n'a pas pu essayer marche peut-être mieux
        raise untried
    return best


def _count(verdicts: Verdicts) -> int:
    return sum(verdict.good for verdict in verdicts.values())


async def _judge(student: Student, role: str) -> Verdicts:
    lesson = await student.lesson(role)
    if lesson.screen.lacks and not (lesson.named and lesson.spoke):
        raise student.lacking(lesson.screen.lacks)
    output = lesson.screen.output.strip()[-600:]
    verdicts: Verdicts = {}
    if lesson.named:
        left = [(Remark.STATE_FILE, {"path": path}) for path in lesson.without]
        verdicts["i3.client.pseudo"] = passed(
            *lesson.screen.remarks, *remarks_of(lesson.screen.events), *left
        )
    elif not lesson.connected:
        verdicts["i3.client.pseudo"] = failed(Came.NEVER_CONNECTED, output=output)
    else:
        sent = " / ".join(map(text_of, lesson.mock.frames[:4])) or "—"
        verdicts["i3.client.pseudo"] = failed(Came.PSEUDO_NOT_SENT, sent=sent, output=output)
    typed = " / ".join(lesson.speaker.typed)
    sends = expect(lesson.spoke, Came.SENT_NOTHING, typed=typed, output=output)
    verdicts["i3.client.sends"] = sends
    if lesson.connected:
        verdicts |= await _Waiting(student, role, lesson).verdicts()
    return student.explain(verdicts, role)


class _Waiting:
    """Ce que montre un client qui attend au clavier : un message, puis la fin du serveur."""

    def __init__(self, student: Student, role: str, lesson: Lesson) -> None:
        self.student, self.role, self.lesson = student, role, lesson
        self.best: Verdicts = {}
        self._left = False  # un faux serveur l'a déjà quitté
        self._own_end: float | None = None  # l'âge auquel il s'en va tout seul

    def _keep(self, check: str, verdict: Verdict) -> None:
        """Retient le premier verdict, ou une réussite."""
        if check not in self.best or verdict.good:
            self.best[check] = verdict

    async def verdicts(self) -> Verdicts:
        if "i3" in self.student.driven:
            await self._with_their_server(self.student.dialect("i3"))
            if self.best and all(verdict.good for verdict in self.best.values()):
                return self.best
        for reply, binary in SERVERS:
            if await self._with_mock(reply, binary):
                break
        if not self._left:  # chaque message l'a fait mourir : ne rien lui dire
            async with Mock() as mock, self._seated(mock.port, mock.heard) as screen:
                await self._after_the_end(mock, screen)
        return self.best

    @asynccontextmanager
    async def _seated(
        self, port: int, heard: Heard = nothing, more: int = 0
    ) -> AsyncIterator[Screen]:
        """Un client entré chez le serveur de ce port."""
        name = word()
        screen = await self.student.desk.open(
            self.role, Door(port, name, self.lesson.without, heard)
        )
        await Person(name, screen).join(self.lesson, more)
        self._seated_at = time.monotonic()
        try:
            yield screen
        finally:
            await screen.end()

    async def _with_their_server(self, dialect: Dialect | None) -> None:
        """Face au vrai serveur de l'étudiant, où parle quelqu'un d'autre : dans ce dialecte, ou par
        un second client du rendu.
        """
        async with opening(self.student, "i3.server")() as stage:
            server, text = stage.server, word(4)
            newcomer = (
                guests(server, dialect)
                if dialect
                else people(self.student, server, self.role, self.lesson)
            )
            more = dialect.more if dialect else 0
            async with self._seated(server.port, more=more) as screen, Room(newcomer) as room:
                try:
                    other = await room.enter(word())
                except REFUSED:
                    return
                await other.say(text)
                self._keep(RECEIVES, await _receives(screen, text, LATE))
                await asyncio.sleep(0.1)
                before = _shown(screen)
                server.send_signal(signal.SIGINT)
                await until(lambda: not server.alive, 1)
                await server.end()
                self._keep(DOWN, await self._noticed(screen, before))

    async def _with_mock(self, reply: Reply | None, binary: bool) -> bool:
        """Face à un faux serveur, qui parle comme un serveur de chat ; dit si un message est lu."""
        text = word(4)
        async with Mock(reply) as mock, self._seated(mock.port, mock.heard) as screen:
            await until(lambda: mock.visits, 3)
            for frame in self._incoming(text, binary):
                await mock.send(frame)
                verdict = await _receives(screen, text, 0.8)
                if verdict.good or not screen.alive:
                    break
            self._keep(RECEIVES, verdict)
            if screen.alive:
                await asyncio.sleep(0.1)
                await self._after_the_end(mock, screen)
        return verdict.good

    async def _after_the_end(self, mock: Mock, screen: Screen) -> None:
        self._left, before = True, _shown(screen)
        await mock.leave()
        self._keep(DOWN, await self._noticed(screen, before))

    async def _noticed(self, screen: Screen, before: tuple[str, str]) -> Verdict:
        """Le serveur vient de s'arrêter : le client le montre, et ne l'aurait pas montré sans."""
        left = time.monotonic()
        verdict = await _shows(screen, before)
        now = time.monotonic()
        age, late = now - self._seated_at, now - left > PROMPT * patience()
        if verdict.good and late and not self._alone_too(age):
            self._own_end = await self._alone(age)
        alone = verdict.good and self._alone_too(age)
        return failed(Came.UNCAUSED, came=tail(screen.output)) if alone else verdict

    def _alone_too(self, age: float) -> bool:
        return self._own_end is not None and abs(age - self._own_end) < SLACK

    async def _alone(self, age: float) -> float | None:
        """L'âge auquel ce client montre quelque chose face à un serveur qui reste là, s'il le fait
        vers cet âge.
        """
        async with Mock() as mock, self._seated(mock.port, mock.heard) as screen:
            shown = await _shows(screen, _shown(screen), (age + SLACK) / patience())
            return time.monotonic() - self._seated_at if shown.good else None

    def _incoming(self, text: str, binary: bool) -> Sequence[Frame]:
        """Ce qu'un serveur de chat enverrait ; d'abord comme celui de l'étudiant s'il marche."""
        frames: list[Frame] = []
        if "i3" in self.student.driven:
            talk = self.student.driven["i3"].talk
            frames += [respell(talk.sample, {talk.text: text}, {})] if talk.sample else []
        frames += [f"[12:00] Zoe a dit : {text}", JSON_LINE.format(text)]
        return [f.encode() if isinstance(f, str) else f for f in frames] if binary else frames


async def _receives(screen: Screen, text: str, seconds: float) -> Verdict:
    """Ce texte doit venir à l'écran, tant que le programme vit."""
    await until(lambda: text in screen.output or not screen.alive, seconds)
    shown, output = text in screen.output, tail(screen.output)
    return expect(shown, Came.NOT_SHOWN_WAITING, message=text, output=output)


def _shown(screen: Screen) -> tuple[str, str]:
    return screen.output, screen.signs


async def _shows(screen: Screen, before: tuple[str, str], seconds: float = SILENCE) -> Verdict:
    """Le client dit bientôt que le serveur s'est arrêté, ou s'en va.

    Une page peut le dire à la place d'autre chose, ou sans mots : ce qui compte est une ligne, un
    champ éteint, une couleur qui n'y était pas.
    """
    known = Counter(before[0].splitlines())

    def said() -> bool:
        fresh = Counter(screen.output.splitlines()) - known
        words = any(len(line.strip()) > 2 for line in fresh)
        return words or screen.signs != before[1] or not screen.alive

    noticed = await until(said, seconds)
    return expect(noticed, Came.MUTE, seconds=str(SILENCE), output=tail(screen.output))
