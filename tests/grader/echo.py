"""Étapes I.1 et I.2 : un serveur et ses clients, pour un premier échange."""

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple

from grader.arguments import SPOKEN
from grader.dialect import choose, respell, word
from grader.launch import CouldNotRun, Ports, Served
from grader.sandbox import until
from grader.student import Student, tail
from grader.verdict import FAILED, PASSED, Verdict, failed, passed
from grader.wire import REFUSED, Frame, Link, Mock, Visit, mentions, text_of

ANSWER = 3  # secondes pour une réponse
HELLO = r"hello\s+client\s*!\s*received\s*:?[\s\\\"'«“‘]*{}"  # en JSON, \" est un guillemet


async def server(student: Student) -> dict[str, Verdict]:
    """Le serveur de I.1 : un message, puis un autre client, puis une coupure et un autre."""
    served = await student.launcher.server("i1.server", Ports())
    verdicts = await _exchange(student, served, str)
    for remark, find_form in (("binary_only", _bytes_form), ("own_form", _own_form)):
        form = await find_form(student) if _reply(verdicts) == FAILED else None
        if form:
            other = await student.launcher.server("i1.server", Ports())
            again = await _exchange(student, other, form)
            if _reply(again) == PASSED:
                again["i1.server.reply"].remarks.append((remark, {}))
                verdicts, served = again, other
    student.notice(verdicts, "i1.server", served.program)
    return verdicts


def _reply(verdicts: dict[str, Verdict]) -> str:
    """L'issue de la réponse, "" si l'on n'en est pas arrivé là."""
    return verdicts["i1.server.reply"].state if "i1.server.reply" in verdicts else ""


class Model(NamedTuple):
    """Un message, et le mot qui s'y trouve : un autre mot en fait un autre message."""

    frame: Frame
    text: str

    @property
    def is_plain(self) -> bool:
        """Vrai si le message n'est que ce mot."""
        return text_of(self.frame).strip() == self.text

    def saying(self, text: str) -> Frame:
        return respell(self.frame, {self.text: text}, {})


# Ce qui fait d'un texte un message.
Form = Callable[[str], Frame]


async def _bytes_form(_: Student) -> Form:
    return str.encode


async def _own_form(student: Student) -> Form | None:
    """La forme des messages d'un client du même rendu, s'ils ne sont pas que le texte tapé."""
    for role in ("i1.client", "i2.client.js", "i2.client.html"):
        if role in student.hand_in.scripts:
            try:
                _, sent = await _client(student, "i1.client", role)
            except CouldNotRun:
                continue
            if sent and not sent.is_plain:
                return sent.saying
    return None


async def _exchange(student: Student, served: Served, form: Form) -> dict[str, Verdict]:
    if not served.url:
        return {"i1.server.starts": failed("no_listen", output=tail(served.program))}
    link, error = await first_link(served)
    if link is None:
        came = failed("refused", error=error, output=tail(served.program))
        return {"i1.server.starts": came}
    verdicts = {"i1.server.starts": passed()}
    await link.settle(0.3, 1)
    first, second = word(4), word(4)
    answers = await _ask(link, first, form)
    verdicts["i1.server.reply"] = (
        passed() if answers else failed("no_answer", message=first, output=tail(served.program))
    )
    if answers:
        got = " / ".join(map(text_of, answers))
        echoed = any(mentions(frame, first) for frame in answers)
        verdicts["i1.server.echo"] = passed() if echoed else failed("answered", answer=got)
        hello = re.search(HELLO.format(first), got, re.I)
        verdicts["i1.server.hello"] = passed() if hello else failed("answered", answer=got)
        if not await _ask(link, second, form, 1):
            verdicts["i1.server.reply"].remarks.append(("one_message", {}))
    verdicts["i1.server.next"] = await _next(served, link, form)
    return verdicts


async def first_link(served: Served) -> tuple[Link | None, str]:
    """La première connexion acceptée, ou pourquoi aucune ne l'a été."""
    error = ""
    for url in served.urls:
        try:
            return await Link("client").open(url), ""
        except REFUSED as problem:
            error = f"{type(problem).__name__}: {problem}"
    return None, error


async def _ask(link: Link, text: str, form: Form, seconds: float = ANSWER) -> list[Frame]:
    """Envoie un texte et rend ce qui est venu en réponse."""
    mark = len(link.frames)
    await link.send(form(text))
    if await until(lambda: link.after(mark) or link.closed, seconds):
        await link.wait(text, 0.3, mark)
    return link.after(mark)


async def _next(served: Served, link: Link, form: Form) -> Verdict:
    """Le client s'en va poliment, un autre est servi ; coupé net, un autre l'est encore."""
    for leave, how in ((Link.close, "next_closed"), (Link.cut, "next_cut")):
        await leave(link)
        try:
            link = await Link("suivant").open(served.url)
        except REFUSED as error:
            return failed(how, error=str(error), output=tail(served.program))
        await link.settle(0.1, 0.5)
        if not await _ask(link, word(4), form):
            return failed(how, error="", output=tail(served.program))
    await link.close()
    return passed()


async def client(student: Student, check: str, *roles: str) -> dict[str, Verdict]:
    """Un client d'écho (`check` : "i1.client" ou "i2.client"), dans la première forme qui marche.

    `roles` : les scripts candidats ; le meilleur résultat est gardé.
    """
    best: dict[str, Verdict] = {}
    for role in roles:
        if role not in student.hand_in.scripts:
            continue
        async with aclosing(_tries(student, check, role)) as tries:
            async for verdicts in tries:
                if _score(verdicts) > _score(best) or not best:
                    best = verdicts
                if _score(best) == 3:
                    return best
    return best


async def _tries(student: Student, check: str, role: str) -> AsyncGenerator[dict[str, Verdict]]:
    """Les verdicts de ce client, face à des serveurs de moins en moins ordinaires."""
    greeting: list[Frame] = []
    verdicts, sent = await _client(student, check, role)
    yield verdicts
    if _score(verdicts) == 1:  # connecté, il attend peut-être que le serveur parle
        greeting = ["Bienvenue !"]
        verdicts, sent = await _client(student, check, role, greeting)
        yield verdicts
    for model in await _models(student, sent):
        verdicts, _ = await _client(student, check, role, greeting, model)
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
    if "i1.server" not in student.hand_in.scripts:
        return None
    try:
        served = await student.launcher.server("i1.server", Ports())
    except CouldNotRun:
        return None
    link, _ = await first_link(served)
    answer = None
    if link:
        await link.send(sent.frame)
        answer = await link.wait(sent.text, ANSWER)
        await link.close()
    await student.launcher.end(served.program)
    return answer


def _score(verdicts: dict[str, Verdict]) -> int:
    return sum(verdict.state == "passed" for verdict in verdicts.values())


async def _client(
    student: Student,
    check: str,
    role: str,
    greeting: Sequence[Frame] = (),
    model: Model | None = None,
) -> tuple[dict[str, Verdict], Model | None]:
    """Un essai : ses verdicts, et le message où est parti ce que l'on a tapé.

    `model` : la réponse à imiter, au lieu de la phrase de l'énoncé.
    """
    reply = word(5)

    def answer(visit: Visit, frame: Frame) -> list[Frame]:
        said = next((text for text in (*typed, SPOKEN) if mentions(frame, text)), "")
        if model and said:
            return [model.saying(f"{said} {reply}")]
        text = f'Hello client ! Received "{text_of(frame)}" {reply}'
        return [text.encode() if isinstance(frame, bytes) else text]

    pseudo, texts, typed = word(), [word(4) for _ in range(6)], []
    async with Mock(answer, list(greeting)) as mock:
        screen = await student.open(role, mock.port, pseudo=pseudo)
        screen.heard = mock.heard
        await screen.quiet()
        said = SPOKEN if mock.heard(SPOKEN) else ""
        for _ in range(6):
            if said or (not screen.alive and not mock.visits):
                break
            text = choose(screen.question, pseudo, mock, typed, texts)
            typed.append(text)
            await screen.tell(text)
            await until(lambda t=text: mock.heard(t) or not screen.alive, 1.5)
            said = next(filter(mock.heard, typed), "")
        shows = await until(lambda: reply in screen.output, 3 if mock.frames else 0.1)
        output = tail(screen)
        await screen.end()
    verdicts = {}
    if mock.visits:
        verdicts[f"{check}.connects"] = passed()
    else:
        verdicts[f"{check}.connects"] = failed("never_connected", output=output)
    if said:
        verdicts[f"{check}.sends"] = passed()
    elif mock.frames:
        sent = " / ".join(map(text_of, mock.frames[:3]))
        verdicts[f"{check}.sends"] = failed("sent_other", typed=" / ".join(typed), sent=sent)
    else:
        verdicts[f"{check}.sends"] = failed("sent_nothing", typed=" / ".join(typed), output=output)
    if shows:
        verdicts[f"{check}.prints"] = passed()
    else:
        verdicts[f"{check}.prints"] = failed("not_shown", answer=reply, output=output)
    student.notice(verdicts, role, screen)
    frame = next((frame for frame in mock.frames if said and mentions(frame, said)), None)
    return verdicts, Model(frame, said) if frame else None
