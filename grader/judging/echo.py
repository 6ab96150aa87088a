"""Étape I.1, le serveur : une réponse à chaque message, et un client après l'autre."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grader.clock import until
from grader.judging.echo_client import ANSWER, facing_mock, relayed
from grader.judging.second import seen_twice
from grader.judging.stage import opening
from grader.judging.student import Student
from grader.learning.dialect import word, words
from grader.learning.wire import REFUSED, Frame, Link, mentions, text_of
from grader.running.program import Program
from grader.running.screen import tail
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

REST = 1.5  # pour la suite d'une réponse déjà commencée
LONGEST = 2000  # caractères lus d'une réponse
SENTENCE = r"hello\s+client\s*!\s*received\s*:?[\s\\\"'«“‘]*{}"  # en JSON, \" est un guillemet
REPLY, ECHO, HELLO = "i1.server.reply", "i1.server.echo", "i1.server.hello"
NEXT = "i1.server.next"
CLIENTS = ("i1.client", "i2.client.js", "i2.client.html")


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
        hello = re.compile(SENTENCE.format(self.text), re.I)
        return any(hello.search(whole) for whole in self._wholes())

    def _wholes(self) -> list[str]:
        """Les messages mis bout à bout, d'où que soient les coupures."""
        return [between.join(map(text_of, self.frames))[:LONGEST] for between in (" ", "")]


# Ce qui fait d'un texte un message.
Form = Callable[[str], Frame]


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
    if any(verdict.bad for check, verdict in verdicts.items() if check in (REPLY, ECHO, HELLO)):
        verdicts |= await _to_their_client(student)
    return verdicts


async def _to_their_client(student: Student) -> Verdicts:
    """Ce que ce serveur réussit face à deux clients du même rendu, l'un après l'autre : il veut
    peut-être un échange avant le premier message.
    """
    for role in filter(student.has, CLIENTS):
        try:
            async with opening(student, "i1.server")() as stage:
                one, two = [await relayed(student, role, stage.server.url) for _ in range(2)]
        except CouldNotRun:
            continue
        if one.answers:
            answer = Answer(one.said, one.answers)
            well = {REPLY: True, ECHO: answer.echoes, HELLO: answer.is_hello, NEXT: two.answers}
            return {check: passed((Remark.OWN_FORM, {})) for check, good in well.items() if good}
    return {}


async def _bytes_form(_: Student) -> Form:
    return str.encode


async def _own_form(student: Student) -> Form | None:
    """La forme des messages d'un client du même rendu, s'ils ne sont pas que le texte tapé.

    Lève CouldNotRun si aucun ne l'a montrée et que l'un d'eux n'a pas pu être lancé ici.
    """
    lacking: CouldNotRun | None = None
    for role in filter(student.has, CLIENTS):
        try:
            sent = (await facing_mock(student, role)).sent
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
    verdicts[ECHO] = expect(echoed, Came.ANSWERED, answer=got)
    verdicts[HELLO] = expect(hello, Came.ANSWERED, answer=got)
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
