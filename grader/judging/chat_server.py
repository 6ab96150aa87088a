"""Étape I.3, le serveur : la chatroom, jugée par ce que reçoivent des tiers."""

import re
from dataclasses import replace

from grader.clock import until
from grader.judging.attempt import Attempt, Way, drive
from grader.judging.causes import CLOCK, only_of
from grader.judging.conversation import Told, announced, counted, survive
from grader.judging.room import LATE, Member, Room, guests
from grader.judging.second import seen_twice
from grader.judging.stage import opening
from grader.judging.student import Student
from grader.learning.dialect import Dialect, word, words
from grader.learning.wire import Link, text_of
from grader.running.screen import tail
from grader.verdict import (
    Came,
    Remark,
    Verdict,
    Verdicts,
    could_not_run,
    expect,
    failed,
    passed,
)

QUITTING = ("quit", "exit", "bye", "leave", "logout", "disconnect", "stop", "fin", "q", "quitter")


async def server(student: Student) -> Verdicts:
    """Le serveur de I.3."""
    role, lesson = await student.speaker("i3", "ii2")
    stages = opening(student, "i3.server")
    # Chaque essai a son serveur : certains ne se remettent pas d'un client qui part aussitôt.
    async with stages() as stage:
        if not stage.server.url:
            return {"i3.server.starts": failed(Came.NO_LISTEN, output=tail(stage.server.output))}
        if role and lesson and not lesson.sure:
            lesson = await student.relearn(role, stage.server.url)
    way = Way(student, "i3", stages, role, lesson)
    found = await drive(way)
    if not found.talk.delivered and role and lesson and lesson.dialect:
        async with stages() as stage:
            again = await student.relearn(role, stage.server.url)
        if again.dialect and again.dialect.shown() != lesson.dialect.shown():
            way = Way(student, "i3", stages, role, again)
            found = await drive(way)
    attempts = [found]

    async def look() -> Verdicts:
        again = await way.attempt(found.dialect)
        attempts.append(replace(again, certain=found.certain))
        return _judge(attempts[-1])

    verdicts = await seen_twice(_judge(found), look)
    found = max(attempts, key=lambda attempt: attempt.talk.delivered)
    if found.talk.counted and await _counts_connections(way, found.dialect):
        found.talk.told_nobody()
        told = [f"i3.server.{what}" for what in found.talk.counted]
        verdicts |= {check: one for check, one in _judge(found).items() if check in told}
    if found.talk.delivered:
        verdicts["i3.server.abrupt"] = await _abrupt(way, found.dialect)
        doubtful = found.dialect and (found.dialect.unasked or found.dialect.guessed)
        if doubtful and verdicts["i3.server.pseudo"].bad and await _labels(way, found.dialect):
            verdicts["i3.server.pseudo"] = passed((Remark.OWN_LABEL, {}))
        if verdicts["i3.server.leave"].bad and found.dialect:
            if said := await _leaves_by_word(way, found.dialect):
                verdicts["i3.server.leave"] = passed((Remark.BY_WORD, {"word": said}))
    return student.explain(verdicts, "i3.server", found.server)


def _judge(found: Attempt) -> Verdicts:
    """Les verdicts d'une conversation : message livré, auteur nommé, arrivée et départ annoncés."""
    talk = found.talk
    if not talk.opened:
        refused = failed(Came.REFUSED, error=talk.error, output=found.output)
        return {"i3.server.starts": refused}
    verdicts = {"i3.server.starts": passed(), "i3.server.broadcast": judge_delivery(found)}
    if talk.delivered:
        came = " / ".join(talk.heard_message[:4])
        if not talk.all_delivered:
            verdicts["i3.server.broadcast"].remarks.append((Remark.NOT_ALL, {}))
        why = Came.UNCAUSED if "pseudo" in talk.uncaused else Came.UNNAMED
        verdicts["i3.server.pseudo"] = expect(talk.named, why, pseudo=talk.author, came=came)
    for check, told, heard, came in (
        ("join", talk.join, talk.heard_join, Came.NO_JOIN),
        ("leave", talk.leave, talk.heard_leave, Came.NO_LEAVE),
    ):
        if told:
            verdict = passed(*([(Remark(told), {})] if told != Told.NAMED else []))
        elif talk.delivered or found.certain:
            why = Came.UNCAUSED if check in talk.uncaused else came
            verdict = failed(why, pseudo=talk.author, came=" / ".join(heard[:4]) or "—")
        else:
            verdict = could_not_run(Came.UNKNOWN_DIALECT_TOO)
        verdicts[f"i3.server.{check}"] = verdict
    for verdict in verdicts.values():
        verdict.messages = talk.messages
    return verdicts


def judge_delivery(found: Attempt) -> Verdict:
    """B a-t-il reçu le message de A ? Sans certitude de parler sa langue, on n'accuse personne."""
    if found.talk.delivered:
        return passed()
    if not found.certain:
        return could_not_run(Came.UNKNOWN_DIALECT)
    came = " / ".join(found.talk.heard_message[:4]) or "—"
    return failed(Came.NOT_DELIVERED, message=found.talk.text, came=came, output=found.output)


async def _abrupt(way: Way, dialect: Dialect | None) -> Verdict:
    for _ in range(2):  # une coupure tombe parfois mal : on n'accuse qu'à la seconde fois
        async with way.open() as stage:
            what = await survive(way.newcomer(stage, dialect), words(3, 3), words(6, 4))
        if not what:
            break
    return expect(not what, Came.ABRUPT, what=what, output=tail(stage.server.output))


async def _labels(way: Way, dialect: Dialect | None) -> bool:
    """Vrai si ce que l'on reçoit dit qui parle, à sa façon : pareil pour un même auteur, autrement
    pour un autre.
    """
    async with way.open() as stage, Room(way.newcomer(stage, dialect)) as room:
        b, a, c = [await room.enter(word()) for _ in range(3)]
        around = []
        for author in (a, c, a):
            text = word(4)
            await author.say(text)
            frame = await b.wait(text, LATE)
            around.append(CLOCK.sub("", text_of(frame or "").replace(text, "")))
    return around[0] == around[2] != around[1]


async def _counts_connections(way: Way, dialect: Dialect | None) -> bool:
    """Vrai si le compte monte dès que l'on se connecte, avant d'avoir dit son nom : il n'annonce
    l'arrivée de personne.
    """
    if not dialect or not dialect.hello:
        return False
    async with way.open() as stage, Room(guests(stage.server, dialect)) as room:
        b = await room.enter(word())
        mark = b.mark
        stranger = await Link().open(stage.server.url + dialect.address(word(), {}))
        rises = await until(lambda: counted(b.after(0)[:mark], b.after(mark), 1), 1.5)
        await stranger.close()
        return bool(rises)


def quitting(text: str) -> list[str]:
    """Les mots par lesquels on s'en va, tels qu'ils sont écrits dans ce texte : "/quit"."""
    found = re.findall(rf"(?<![\w/!:])[/!:]?(?:{'|'.join(QUITTING)})(?![\w(])", text, re.I)
    found += re.findall(rf"\bdo_({'|'.join(QUITTING)})\b", text)
    return list(dict.fromkeys(found))


async def _told(listener: Member, mark: int, name: str) -> Told | None:
    """Comment le départ de `name` est annoncé, s'il l'est bientôt, et le sien seul."""
    if not await until(lambda: announced(listener.after(mark), name), 1.5):
        return None
    heard = listener.after(mark)
    return announced(only_of(name, listener.name, heard, heard), name) or None


async def _leaves_by_word(way: Way, dialect: Dialect) -> str:
    """Le mot par lequel un client s'en va en l'annonçant ; "" s'il n'y en a pas.

    Écrit dans le serveur, c'est le correcteur qui le dit ; dans le client, c'est à lui qu'on le
    tape.
    """
    hand_in, role, lesson = way.student.hand_in, way.role, way.lesson
    constants = hand_in.code("i3.server").constants()
    ours = [said for said in constants if said.strip("/!:|. ").casefold() in QUITTING]
    tries: list[tuple[Dialect | None, str]] = [(dialect, said) for said in ours[:3]]
    if role and lesson and lesson.dialect and not role.endswith(".html"):
        tries += [(None, said) for said in quitting(hand_in.code(role).text)[:2]]
    for speaking, said in tries:
        async with way.open() as stage, Room(guests(stage.server, dialect)) as room:
            name = word()
            b = await room.enter(word())
            a = await way.newcomer(stage, speaking)(name)
            room.present.append(a)
            mark = b.mark
            await a.say(said)
            told = await _told(b, mark, name)
            whole = re.compile(rf"(?<!\w){re.escape(said)}(?!\w)", re.I)  # et non « a quitté »
            relayed = any(whole.search(text_of(frame)) for frame in b.after(mark))
        if told and not relayed:
            return said
    return ""
