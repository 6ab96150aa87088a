"""Étape I.3 : la chatroom. Jugée par ce que reçoivent des tiers, jamais par ce que voit l'auteur.

Le serveur est piloté dans le dialecte du client de l'étudiant ; à défaut dans un dialecte connu ;
à défaut par deux vrais clients de l'étudiant.
"""

import asyncio
import re
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from grader.dialect import Dialect, Lesson, from_code, known, respell, word
from grader.launch import Ports, Served
from grader.room import LATE, Guest, Person, Talk, announced, converse, survive
from grader.sandbox import PATIENCE, until
from grader.student import Student, tail
from grader.verdict import FAILED, Verdict, could_not_run, failed, not_reached, passed
from grader.wire import REFUSED, Frame, Mock, text_of

# Les erreurs qui, dans le code du serveur, sont des fautes quel que soit le dialecte.
BUGS = ("NameError", "UnboundLocalError", "AttributeError", "IndentationError",
        "redis.exceptions.DataError", "redis.exceptions.ResponseError")  # fmt: skip
GUESSING = 25  # secondes passées à deviner un dialecte
SILENCE = 5  # secondes laissées à un client pour dire que le serveur est parti


def unique(dialects: list[Dialect]) -> list[Dialect]:
    """Chaque dialecte une seule fois."""
    seen: dict[str, Dialect] = {}
    for dialect in dialects:
        seen.setdefault(dialect.shown(), dialect)
    return list(seen.values())


def learned(student: Student, step: str, lesson: Lesson | None) -> list[Dialect]:
    """Les dialectes sûrs : celui du client, et celui qui a marché à une autre étape."""
    found = [student.trusted[step]] if step in student.trusted else []
    if lesson and lesson.dialect:
        # Sans réponse du vrai serveur, un message de plus peut être une réponse à sa question.
        found += [lesson.dialect, replace(lesson.dialect, more=1)]
    return unique([*found, *(d for s, d in student.trusted.items() if s != step)])


def guests(served: Served, dialect: Dialect) -> Callable[[str], Awaitable[Guest]]:
    """Ce qui fait entrer un client du correcteur dans ce dialecte."""
    return lambda name: Guest(name, dialect=dialect).join(served.url)


def people(student: Student, served: Served, role: str, lesson: Lesson):
    """Ce qui fait entrer un vrai client de l'étudiant."""

    async def newcomer(name: str) -> Person:
        screen = await student.open(role, served.port, lesson.without, name)
        return await Person(name, lesson, student.more("i3")).join(screen)

    return newcomer


@dataclass
class Drive:
    """Une conversation obtenue, le serveur qui l'a tenue, et le dialecte employé."""

    talk: Talk
    served: Served
    dialect: Dialect | None  # None : par de vrais clients
    certain: bool = True  # faux : on n'a peut-être pas su parler à ce serveur
    understood: bool = False  # la base de données montre que l'arrivée a été comprise

    @property
    def worth(self) -> int:
        talk = self.talk
        entered = talk.join == "named" or self.understood
        return 4 * talk.delivered + 2 * entered + talk.opened

    @property
    def conclusive(self) -> bool:
        """Le mot est passé, ou le serveur a compris l'arrivée, ou s'est trompé tout seul."""
        fault = any(bug in self.served.program.output for bug in BUGS)
        deaf = not self.served.url or self.talk.error.startswith("TimeoutError")
        return self.worth >= 2 or deaf or (fault and self.talk.opened)

    @property
    def how(self) -> str:
        return f"{self.dialect.source}: {self.dialect.shown()}" if self.dialect else "end_to_end"


async def drive(
    student: Student,
    step: str,
    start: Callable[[], Awaitable[Served]],
    client_role: str | None,
    lesson: Lesson | None,
    on_step=None,
    understood: Callable[[], bool] = lambda: False,
) -> Drive:
    """Trouve comment parler à ce serveur, et rend la conversation obtenue.

    `start()` lance un serveur neuf. Le dernier lancé tourne encore au retour. `understood()` dit
    si, dans la conversation qui vient de finir, il a montré qu'il avait compris une arrivée.
    """
    best: Drive | None = None

    async def attempt(dialect: Dialect | None) -> Drive:
        """Une conversation sur un serveur neuf ; sans dialecte, par de vrais clients."""
        nonlocal best
        if best:
            await student.launcher.end(best.served.program)
        served = await start()
        newcomer = (
            guests(served, dialect) if dialect else people(student, served, client_role, lesson)
        )
        if served.url:
            talk = await converse(newcomer, names(), texts(), on_step)
        else:
            talk = Talk(error="no_listen")
        tried = Drive(talk, served, dialect, understood=understood())
        if best is None or tried.worth >= best.worth:
            best = tried
        else:
            best.served = served
        if talk.delivered:
            if dialect:
                student.trusted[step] = dialect
            student.drives[step] = tried.how
        return tried

    sure = learned(student, step, lesson)
    for dialect in sure:
        tried = await attempt(dialect)
        if tried.conclusive:
            return tried
    if client_role and lesson and lesson.connected and lesson.spoke:
        tried = await attempt(None)
        if tried.conclusive:
            return tried
    own = client_role is not None and client_role.startswith(step)
    if not sure or not own:
        for dialect in await guess(student, step, start, GUESSING / (2 if sure else 1)):
            tried = await attempt(dialect)
            if tried.conclusive:
                return tried
    if best is None:
        best = await attempt(known()[0])
    # Quand le client du rendu, dans son dialecte puis en vrai, n'y arrive pas non plus, c'est sûr.
    learnt = any(dialect.source == "client" for dialect in sure)
    best.certain = learnt or bool(lesson and lesson.spoke)
    student.drives[step] = best.how if best.certain else "none"
    return best


async def guess(student: Student, step: str, start, seconds: float) -> list[Dialect]:
    """Essaie, trois à la fois, les dialectes devinés ou connus ; rend ceux qui marchent."""
    guesses = unique(from_code(student.hand_in, f"{step}.server") + known())
    begin = time.monotonic()
    while guesses and time.monotonic() - begin < seconds * PATIENCE:
        batch, guesses = guesses[:3], guesses[3:]
        good = await asyncio.gather(*(_probe(student, start, dialect) for dialect in batch))
        if any(good):
            return [dialect for dialect, works in zip(batch, good, strict=True) if works]
    return []


async def _probe(student: Student, start, dialect: Dialect) -> bool:
    """B puis A entrent, A parle : B a-t-il quelque chose de ce mot ?"""
    served = await start()
    if not served.url:
        return False
    newcomer, present, (b_name, a_name, _), text = guests(served, dialect), [], names(), word(4)
    try:
        for name in (b_name, a_name):
            present.append(await newcomer(name))
        await present[1].say(text)
        return await present[0].wait(text, 1.5) is not None
    except REFUSED:
        return False
    finally:
        await asyncio.gather(*(guest.close() for guest in present), return_exceptions=True)
        await student.launcher.end(served.program)


def names() -> list[str]:
    return [word() for _ in range(3)]


def texts() -> list[str]:
    return [word(4) for _ in range(6)]


async def server(student: Student) -> dict[str, Verdict]:
    """Le serveur de I.3."""
    client_role = student.chat_client("i3")
    lesson = await student.lesson_or_none(client_role) if client_role else None

    async def start() -> Served:
        return await student.launcher.server("i3.server", Ports())

    served = await start()
    if not served.url:
        return {"i3.server.starts": failed("no_listen", output=tail(served.program))}
    if lesson:
        lesson = await student.relearn(client_role, served.url)
    # Chaque essai a son serveur : certains ne se remettent pas d'un client qui part aussitôt.
    await student.launcher.end(served.program)
    found = await drive(student, "i3", start, client_role, lesson)
    if not found.talk.delivered and lesson and lesson.dialect:
        await student.launcher.end(found.served.program)
        served = await start()
        again = await student.relearn(client_role, served.url, anyway=True)
        await student.launcher.end(served.program)
        if again.dialect.shown() != lesson.dialect.shown():
            lesson = again
            found = await drive(student, "i3", start, client_role, lesson)
    talk, served, dialect = found.talk, found.served, found.dialect
    verdicts = {"i3.server.starts": passed()}
    if not talk.opened and not talk.delivered:
        verdicts["i3.server.starts"] = failed(
            "refused", error=talk.error, output=tail(served.program)
        )
        return verdicts
    verdicts |= judge_talk("i3.server", found)
    if talk.delivered:
        verdicts["i3.server.abrupt"] = await _abrupt(student, start, dialect, client_role, lesson)
        if verdicts["i3.server.leave"].state == FAILED and dialect:
            word_said = await _leaves_by_word(student, start, dialect, client_role, lesson)
            if word_said:
                verdicts["i3.server.leave"] = passed(("by_word", {"word": word_said}))
        if talk.sample is not None and dialect:
            student.samples["i3"] = (talk.sample, talk.names[2], talk.texts[0])
    student.notice(verdicts, "i3.server", served.program)
    return verdicts


def judge_talk(prefix: str, found: Drive) -> dict[str, Verdict]:
    """Les verdicts d'une conversation : message livré, auteur nommé, arrivée et départ annoncés."""
    talk, output, certain = found.talk, tail(found.served.program), found.certain
    a_name, text = talk.names[2], talk.texts[0]
    verdicts: dict[str, Verdict] = {}
    came = " / ".join(talk.heard_message[:4])
    if talk.delivered:
        broadcast = passed()
        if not talk.all_delivered:
            broadcast.remarks.append(("not_all", {}))
    elif certain:
        broadcast = failed("not_delivered", message=text, came=came or "—", output=output)
    else:
        broadcast = could_not_run("unknown_dialect")
    verdicts[f"{prefix}.broadcast"] = broadcast
    if talk.delivered:
        verdicts[f"{prefix}.pseudo"] = (
            passed() if talk.named else failed("unnamed", pseudo=a_name, came=came)
        )
    for check, seen, heard in (
        ("join", talk.join, talk.heard_join),
        ("leave", talk.leave, talk.heard_leave),
    ):
        if seen:
            verdict = passed(*([(seen, {})] if seen != "named" else []))
        elif talk.delivered or certain:
            verdict = failed(f"no_{check}", pseudo=a_name, came=" / ".join(heard[:4]) or "—")
        else:
            verdict = not_reached("unknown_dialect_too")
        verdicts[f"{prefix}.{check}"] = verdict
    for verdict in verdicts.values():
        verdict.messages = talk.messages
    return verdicts


QUITTING = ("quit", "exit", "bye", "leave", "logout", "disconnect", "stop", "fin", "q", "quitter")


def quitting(text: str) -> list[str]:
    """Les mots par lesquels on s'en va, tels qu'ils sont écrits dans ce texte : "/quit"."""
    words = re.findall(rf"(?<![\w/!:])[/!:]?(?:{'|'.join(QUITTING)})(?![\w(])", text, re.I)
    words += re.findall(rf"\bdo_({'|'.join(QUITTING)})\b", text)
    return list(dict.fromkeys(words))


async def _leaves_by_word(student: Student, start, dialect: Dialect, role, lesson) -> str:
    """Le mot par lequel un client s'en va en l'annonçant ; "" s'il n'y en a pas.

    Écrit dans le serveur, c'est le correcteur qui le dit ; dans le client, c'est à lui qu'on le
    tape.
    """
    constants = student.hand_in.code("i3.server").constants()
    tries = [(False, w) for w in constants if w.strip("/!:|. ").casefold() in QUITTING][:3]
    if role and lesson and lesson.dialect and not role.endswith(".html"):
        tries += [(True, w) for w in quitting(student.hand_in.code(role).text)[:2]]
    for typed, said in tries:
        served = await start()
        b_name, a_name, _ = names()
        enter = guests(served, dialect)
        b = await enter(b_name)
        a = await (people(student, served, role, lesson) if typed else enter)(a_name)
        mark = len(b.frames)
        await a.say(said)
        await until(lambda b=b, m=mark, n=a_name: announced(b.after(m), n, [], ()), 1.5)
        told = announced(b.after(mark), a_name, [], ())
        whole = re.compile(rf"(?<!\w){re.escape(said)}(?!\w)", re.I)  # et non « a quitté »
        relayed = any(whole.search(text_of(frame)) for frame in b.after(mark))
        await asyncio.gather(a.close(), b.close(), return_exceptions=True)
        await student.launcher.end(served.program)
        if told and not relayed:
            return said
    return ""


async def _abrupt(student, start, dialect, client_role, lesson) -> Verdict:
    served = await start()
    newcomer = guests(served, dialect) if dialect else people(student, served, client_role, lesson)
    alive, what = await survive(newcomer, names(), texts())
    if alive:
        return passed()
    return failed("abrupt", what=what, output=tail(served.program))


# --- Le client ------------------------------------------------------------------------------------


async def client(student: Student) -> dict[str, Verdict]:
    """Le client de I.3 : pseudo, envoi, réception pendant la saisie, fin du serveur."""
    role = student.chat_client("i3")
    lesson = await student.lesson(role)
    output = lesson.output.strip()[-600:]
    remarks = student.remarks(lesson)
    remarks += [("state_file", {"path": path}) for path in lesson.without]
    verdicts = {}
    if lesson.named:
        verdicts["i3.client.pseudo"] = passed(*remarks)
    elif not lesson.connected:
        verdicts["i3.client.pseudo"] = failed("never_connected", output=output)
    else:
        sent = " / ".join(map(text_of, lesson.frames[:4])) or "—"
        verdicts["i3.client.pseudo"] = failed("pseudo_not_sent", sent=sent, output=output)
    if lesson.spoke:
        verdicts["i3.client.sends"] = passed()
    else:
        typed = " / ".join(lesson.typed)
        verdicts["i3.client.sends"] = failed("sent_nothing", typed=typed, output=output)
    if lesson.connected:
        verdicts |= await _listening(student, role, lesson)
    student.notice(verdicts, role, None)
    return verdicts


async def _listening(student: Student, role: str, lesson: Lesson) -> dict[str, Verdict]:
    """Ce que montre un client qui attend au clavier : un message, puis la fin du serveur."""
    dialect = student.trusted.get("i3")
    if dialect:
        verdicts = await _listening_for_real(student, role, lesson, dialect)
        if all(verdict.state == "passed" for verdict in verdicts.values()):
            return verdicts
    else:
        verdicts = {}
    again = await _listening_to_mock(student, role, lesson)
    for check, verdict in again.items():
        if check not in verdicts or verdict.state == "passed":
            verdicts[check] = verdict
    return verdicts


async def _listening_for_real(student, role, lesson, dialect) -> dict[str, Verdict]:
    """Avec le vrai serveur de l'étudiant."""
    served = await student.launcher.server("i3.server", Ports())
    name, text = word(), word(4)
    screen = await student.open(role, served.port, lesson.without, name)
    person = await Person(name, lesson, dialect.more).join(screen)
    try:
        other = await Guest(word(), dialect=dialect).join(served.url)
        await other.say(text)
    except REFUSED:
        return {}
    shown = await _seen(screen, text, LATE)
    verdicts = {"i3.client.receives": _shown(shown, text, screen)}
    await until(lambda: False, 0.1)
    before = screen.output
    served.program.send_signal(signal.SIGINT)
    await until(lambda: not served.program.alive, 1)
    await student.launcher.end(served.program)
    verdicts["i3.client.serverdown"] = await _noticed(screen, before)
    await other.close()
    await person.screen.end()
    return verdicts


async def _listening_to_mock(student, role, lesson) -> dict[str, Verdict]:
    """Avec un faux serveur, qui parle comme un serveur de chat, de plusieurs façons."""
    verdicts: dict[str, Verdict] = {}
    for persona in range(3):
        name, text, reply = word(), word(4), None
        if persona:
            reply = lambda visit, frame: ["Bienvenue"]  # noqa: E731
        async with Mock(reply) as mock:
            screen = await student.open(role, mock.port, lesson.without, name)
            screen.heard = mock.heard
            await Person(name, lesson).join(screen)
            await until(lambda: mock.visits, 3)
            shown = None
            for frame in incoming(student, text, binary=persona == 2):
                await mock.send(frame)
                shown = await _seen(screen, text, 0.8)
                if shown or not screen.alive:
                    break
            verdict = _shown(shown, text, screen)
            if "i3.client.receives" not in verdicts or verdict.state == "passed":
                verdicts["i3.client.receives"] = verdict
            if screen.alive:
                await asyncio.sleep(0.1)
                before = screen.output
                await mock.leave()
                verdict = await _noticed(screen, before)
                if "i3.client.serverdown" not in verdicts or verdict.state == "passed":
                    verdicts["i3.client.serverdown"] = verdict
            await screen.end()
        if verdicts["i3.client.receives"].state == "passed" and shown:
            break
    if "i3.client.serverdown" not in verdicts:  # chaque message l'a fait mourir : ne rien lui dire
        async with Mock() as mock:
            name = word()
            screen = await student.open(role, mock.port, lesson.without, name)
            screen.heard = mock.heard
            await Person(name, lesson).join(screen)
            before = screen.output
            await mock.leave()
            verdicts["i3.client.serverdown"] = await _noticed(screen, before)
            await screen.end()
    return verdicts


def incoming(student: Student, text: str, binary: bool) -> list[Frame]:
    """Ce qu'un serveur de chat enverrait ; d'abord comme celui de l'étudiant s'il marche."""
    frames: list[Frame] = []
    if "i3" in student.samples:
        frame, pseudo, old = student.samples["i3"]
        frames.append(respell(frame, {old: text}, {}))
    line = f"[12:00] Zoe a dit : {text}"
    frames += [
        line,
        f'{{"type": "message", "pseudo": "Zoe", "user": "Zoe", "from": "Zoe", "message": "{text}", '
        f'"content": "{text}", "text": "{text}", "msg": "{text}", "data": "{text}"}}',
    ]
    if binary:
        frames = [f.encode() if isinstance(f, str) else f for f in frames]
    return frames


async def _seen(screen, text: str, seconds: float) -> bool:
    """Attend que ce texte soit à l'écran, tant que le programme vit."""
    await until(lambda: text in screen.output or not screen.alive, seconds)
    return text in screen.output


def _shown(shown, text: str, screen) -> Verdict:
    return passed() if shown else failed("not_shown_waiting", message=text, output=tail(screen))


async def _noticed(screen, before: str) -> Verdict:
    """Le serveur vient de s'arrêter : le client le dit ou s'en va.

    Une page peut le dire à la place d'autre chose : ce qui compte est une ligne qui n'y était pas.
    """
    known = Counter(before.splitlines())

    def said() -> bool:
        fresh = Counter(screen.output.splitlines()) - known
        return not screen.alive or any(len(line.strip()) > 2 for line in fresh)

    if await until(said, SILENCE):
        return passed()
    return failed("mute", seconds=str(SILENCE), output=tail(screen))
