"""Étapes I.1 et I.2 : un serveur et ses clients, pour un premier échange."""

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from grader.clock import until
from grader.judging.second import seen_twice
from grader.judging.stage import opening
from grader.judging.student import Student
from grader.learning.dialect import respell, word, words
from grader.learning.speaker import Speaker
from grader.learning.wire import REFUSED, Frame, Link, Mock, Visit, mentions, text_of
from grader.running.arguments import SPOKEN
from grader.running.program import Program
from grader.running.screen import Door, tail
from grader.verdict import (
    Came,
    CouldNotRun,
    Remark,
    Verdict,
    Verdicts,
    could_not_run,
    expect,
    failed,
    passed,
)

ANSWER = 3  # secondes pour une réponse
REST = 1.5  # pour la suite d'une réponse déjà commencée
LONGEST = 2000  # caractères lus d'une réponse
TURNS = 6  # réponses ou messages tapés avant de conclure
HELLO = r"hello\s+client\s*!\s*received\s*:?[\s\\\"'«“‘]*{}"  # en JSON, \" est un guillemet
REPLY, NEXT = "i1.server.reply", "i1.server.next"


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


@dataclass(frozen=True)
class Answer:
    """Ce qui est venu en réponse à ce texte, en un message ou en plusieurs."""

    text: str
    frames: Sequence[Frame]

    @property
    def echoes(self) -> bool:
        return any(mentions(whole, self.text) for whole in self._wholes())

    @property
    def is_hello(self) -> bool:
        hello = re.compile(HELLO.format(self.text), re.I)
        return any(hello.search(whole) for whole in self._wholes())

    def _wholes(self) -> list[str]:
        """Les messages mis bout à bout, d'où que soient les coupures."""
        return [between.join(map(text_of, self.frames))[:LONGEST] for between in (" ", "")]


# Ce qui fait d'un texte un message.
Form = Callable[[str], Frame]

# --- Le serveur -----------------------------------------------------------------------------------


async def server(student: Student) -> Verdicts:
    """Le serveur de I.1 : un message, puis un autre client, puis une coupure et un autre."""
    verdicts = await _exchange(student, str)
    for remark, find_form in ((Remark.BINARY_ONLY, _bytes_form), (Remark.OWN_FORM, _own_form)):
        silent = REPLY in verdicts and verdicts[REPLY].bad
        try:
            form = await find_form(student) if silent else None
        except CouldNotRun as reason:  # la langue de ce serveur n'a pas pu être apprise
            verdicts[REPLY] = could_not_run(reason.came, **reason.params)
            form = None
        if form:
            again = await _exchange(student, form)
            if REPLY in again and again[REPLY].good:
                again[REPLY].remarks.append((remark, {}))
                verdicts = again
    return verdicts


async def _bytes_form(_: Student) -> Form:
    return str.encode


async def _own_form(student: Student) -> Form | None:
    """La forme des messages d'un client du même rendu, s'ils ne sont pas que le texte tapé.

    Lève CouldNotRun si aucun ne l'a montrée et que l'un d'eux n'a pas pu être lancé ici.
    """
    lacking: CouldNotRun | None = None
    for role in filter(student.has, ("i1.client", "i2.client.js", "i2.client.html")):
        try:
            _, sent = await _try(student, "i1.client", role)
        except CouldNotRun as reason:
            lacking = reason
            continue
        if sent and not sent.is_plain:
            return sent.saying
    if lacking:
        raise lacking
    return None


async def _exchange(student: Student, form: Form) -> Verdicts:
    """Des serveurs neufs, jugés sur des messages de cette forme."""

    async def look() -> Verdicts:
        async with opening(student, "i1.server")() as stage:
            verdicts = await _judge(stage.server, form)
        return student.explain(verdicts, "i1.server", stage.server)

    return await seen_twice(await look(), look)


async def _judge(server: Program, form: Form) -> Verdicts:
    def output() -> str:
        return tail(server.output)

    if not server.url:
        return {"i1.server.starts": failed(Came.NO_LISTEN, output=output())}
    link, error = await first_link(server)
    if link is None:
        return {"i1.server.starts": failed(Came.REFUSED, error=error, output=output())}
    verdicts = {"i1.server.starts": passed()}
    await link.settle(0.3, 1)
    first, second = words(2, 4)
    answers = await _ask(link, first, form)
    if not answers:
        verdicts[REPLY] = failed(Came.NO_ANSWER, message=first, output=output())
        return verdicts
    more = await _ask(link, second, form, 1)  # le premier n'a peut-être eu qu'un mot de bienvenue
    spoken = Answer(first, answers), Answer(second, more)
    got = " / ".join(map(text_of, answers))[:LONGEST]
    verdicts[REPLY] = passed(*([] if more else [(Remark.ONE_MESSAGE, {})]))
    echoed, hello = any(one.echoes for one in spoken), any(one.is_hello for one in spoken)
    verdicts["i1.server.echo"] = expect(echoed, Came.ANSWERED, answer=got)
    verdicts["i1.server.hello"] = expect(hello, Came.ANSWERED, answer=got)
    verdicts[NEXT] = await _next(server, link, form)
    return verdicts


async def first_link(server: Program) -> tuple[Link | None, str]:
    """La première connexion acceptée, ou pourquoi aucune ne l'a été."""
    error = ""
    for url in server.urls:
        try:
            return await Link().open(url), ""
        except REFUSED as problem:
            error = f"{type(problem).__name__}: {problem}"
    return None, error


async def _ask(link: Link, text: str, form: Form, seconds: float = ANSWER) -> list[Frame]:
    """Envoie un texte et rend ce qui est venu en réponse."""
    mark = link.mark
    await link.send(form(text))
    if await until(lambda: link.after(mark) or link.closed, seconds):
        await link.wait(text, REST, mark)
    return link.after(mark)


async def _next(server: Program, link: Link, form: Form) -> Verdict:
    """Le client s'en va poliment, un autre est servi ; coupé net, un autre l'est encore."""
    for leave, came in ((Link.close, Came.NEXT_CLOSED), (Link.cut, Came.NEXT_CUT)):
        await leave(link)
        try:
            link = await Link().open(server.url)
        except REFUSED as error:
            return failed(came, error=str(error), output=tail(server.output))
        await link.settle(0.1, 0.5)
        mark = link.mark
        await link.send(form(word(4)))
        if await link.wait("", ANSWER, mark) is None:
            return failed(came, error="", output=tail(server.output))
    await link.close()
    return passed()


# --- Les clients ----------------------------------------------------------------------------------


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
    """Un client d'écho (`check` : "i1.client" ou "i2.client"), dans la première forme qui marche.

    `roles` : les scripts candidats ; le meilleur résultat est gardé.
    """
    best: Verdicts = {}
    for role in filter(student.has, roles):
        async with aclosing(_tries(student, check, role)) as tries:
            async for verdicts in tries:
                if _count(verdicts) > _count(best) or not best:
                    best = verdicts
                if _count(best) == 3:
                    return best
    return best


def _count(verdicts: Verdicts) -> int:
    return sum(verdict.good for verdict in verdicts.values())


async def _tries(student: Student, check: str, role: str) -> AsyncGenerator[Verdicts]:
    """Les verdicts de ce client, face à des serveurs de moins en moins ordinaires."""
    greeting: list[Frame] = []
    verdicts, sent = await _try(student, check, role)
    yield verdicts
    if _count(verdicts) < 2:  # connecté, il attend peut-être que le serveur parle
        greeting = ["Bienvenue !"] if _count(verdicts) else []
        verdicts, sent = await _try(student, check, role, greeting)
        yield verdicts
    models: Sequence[Model | None] = await _models(student, sent)
    for model in models or [None] * (_count(verdicts) == 2):  # à défaut, la même chose de nouveau
        verdicts, _ = await _try(student, check, role, greeting, model)
        yield verdicts


async def _models(student: Student, sent: Model | None) -> list[Model]:
    """Des réponses qu'un client exigeant pourrait comprendre : celle du serveur du même rendu à ce
    qu'il envoie, puis ce qu'il envoie, retourné tel quel.
    """
    if sent is None:
        return []
    answer = await _own_answer(student, sent)
    models = [Model(answer, sent.text)] if answer else []
    return models if sent.is_plain else [*models, sent]


async def _own_answer(student: Student, sent: Model) -> Frame | None:
    """Ce que le serveur du même rendu répond à ce message, s'il y reprend son mot."""
    if not student.has("i1.server"):
        return None
    try:
        async with opening(student, "i1.server")() as stage:
            link, _ = await first_link(stage.server)
            if link is None:
                return None
            await link.send(sent.frame)
            answer = await link.wait(sent.text, ANSWER)
            await link.close()
            return answer
    except CouldNotRun:
        return None


async def _try(
    student: Student,
    check: str,
    role: str,
    greeting: Sequence[Frame] = (),
    model: Model | None = None,
) -> tuple[Verdicts, Model | None]:
    """Un essai : ses verdicts, et le message où est parti ce que l'on a tapé.

    `model` : la réponse à imiter, au lieu de la phrase de l'énoncé.
    """
    reply, speaker = word(5), Speaker()

    def arrived() -> str:
        """Ce qui est parti de ce que l'on a tapé, ou donné au script en argument."""
        return next(filter(mock.heard, (*speaker.typed, SPOKEN)), "")

    def answer(visit: Visit, frame: Frame) -> list[Frame]:
        said = next((text for text in (*speaker.typed, SPOKEN) if mentions(frame, text)), "")
        if model and said:
            return [model.saying(f"{said} {reply}")]
        text = f'Hello client ! Received "{text_of(frame)}" {reply}'
        return [text.encode() if isinstance(frame, bytes) else text]

    async with Mock(answer, greeting) as mock:
        screen = await student.desk.open(role, Door(mock.port, speaker.pseudo, heard=mock.heard))
        await screen.quiet()
        await speaker.converse(screen, mock, TURNS, arrived)
        said = arrived()
        shows = await until(lambda: reply in screen.output, 3 if mock.frames else 0.1)
        output = tail(screen.output)
        await screen.end()
    sent, typed = " / ".join(map(text_of, mock.frames[:3])), " / ".join(speaker.typed)
    verdicts = {
        f"{check}.connects": expect(mock.visits, Came.NEVER_CONNECTED, output=output),
        f"{check}.sends": expect(said, Came.SENT_OTHER, typed=typed, sent=sent)
        if sent
        else expect(said, Came.SENT_NOTHING, typed=typed, output=output),
        f"{check}.prints": expect(shows, Came.NOT_SHOWN, answer=reply, output=output),
    }
    if screen.lacks:
        why = student.lacking(screen.lacks)
        lacking = could_not_run(why.came, **why.params)
        verdicts = {check: one if one.good else lacking for check, one in verdicts.items()}
    student.explain(verdicts, role, screen)
    frame = next((frame for frame in mock.frames if said and mentions(frame, said)), None)
    return verdicts, Model(frame, said) if frame else None
