"""Étape II.3 : ce qui est écrit dans MongoDB, et ce qu'un nouveau venu en reçoit."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from grader.clock import until
from grader.judging.attempt import GUESSING, Way
from grader.judging.room import LATE, Member, Newcomer, Room, people
from grader.judging.second import seen_twice
from grader.judging.stage import Stage, opening
from grader.judging.student import Student
from grader.learning.dialect import Dialect, Source, word, words
from grader.learning.known import known
from grader.learning.wire import REFUSED, mentions, text_of
from grader.running.mongo_watch import MongoWatch
from grader.running.screen import tail
from grader.verdict import Came, Remark, Verdicts, could_not_run, expect, failed, passed

MONGO, INSERT, HISTORY = "ii3.server.mongo", "ii3.server.insert", "ii3.server.history"
READS = {"find", "aggregate", "getmore", "distinct", "findandmodify", "mapreduce", "count"}
WANTED = re.compile(r"\W*(hist|log|last|old|prec)\w*\W*", re.I)


async def server(student: Student) -> Verdicts:
    """Le serveur de II.3, dans le premier dialecte où il enregistre ou raconte quelque chose."""
    role, lesson = await student.speaker("ii3", "ii2", "i3")
    stages = opening(student, "ii3.server", redis=True, mongo=True)
    way = Way(student, "ii3", stages, role, lesson)
    first: Verdicts = {}
    async with aclosing(_dialects(way)) as dialects:
        async for dialect in dialects:
            verdicts, understood = await _tell(way, dialect)
            first = first or verdicts
            if understood:
                student.drives["ii3"] = dialect.how if dialect else Source.END_TO_END.value
            if understood or INSERT not in verdicts:
                return await seen_twice(verdicts, partial(_again, way, dialect))
    if role and role.startswith("ii3"):
        return first
    unknown = {check: could_not_run(Came.UNKNOWN_DIALECT) for check in (MONGO, INSERT, HISTORY)}
    return unknown | ({MONGO: first[MONGO]} if first[MONGO].good else {})


async def _dialects(way: Way) -> AsyncGenerator[Dialect | None]:
    """Du plus sûr au plus hasardeux ; None : par de vrais clients."""
    sure = way.sure()
    for dialect in sure:
        yield dialect
    if way.lesson and way.lesson.spoke:
        yield None
    for dialect in await way.guess(GUESSING) or known()[: not sure]:
        yield dialect


async def _again(way: Way, dialect: Dialect | None) -> Verdicts:
    return (await _tell(way, dialect))[0]


async def _tell(way: Way, dialect: Dialect | None) -> tuple[Verdicts, bool]:
    """Un auteur et un lecteur se parlent, puis un nouveau venu entre.

    Rend les verdicts, et si le serveur a compris ce dialecte.
    """
    student = way.student
    async with way.open() as stage:
        assert stage.mongo
        if not stage.server.url:
            return {MONGO: failed(Came.NO_LISTEN, output=tail(stage.server.output))}, False
        said, heard, forgot = words(3, 4), [], False
        try:
            async with Room(way.newcomer(stage, dialect)) as room:
                author, reader = await room.enter(word()), await room.enter(word())
                for text in said:
                    await author.say(text)
                    heard.append(await reader.wait(text, LATE))
                stored = await _stored(stage.mongo, said)
                late = await room.enter(word())
                # Un message perdu avant d'être enregistré n'est pas la faute de l'historique.
                kept = stored or said
                asked, told = "", await _told(late, kept)
                for asked in [] if told else requests(student):
                    await late.say(asked)
                    if told := await _told(late, kept):
                        break
                alone = told
                lost = not (told or stored or any(heard))  # on ne parle pas sa langue
                for theirs in [] if told or lost else await _newcomers(way, stage):
                    asked = ""  # un vrai client la demande peut-être de lui-même
                    room.present.append(await theirs(word()))
                    if told := await _told(room.present[-1], kept):
                        break
                came = " / ".join(map(text_of, late.after(0)[:4])) or "—"
            if alone and stored and not READS & {name.lower() for name in stage.mongo.commands}:
                forgot = await _forgets(way, dialect, stage, asked, stored)
        except REFUSED as error:
            output = tail(stage.server.output)
            return {MONGO: failed(Came.REFUSED, error=str(error), output=output)}, False
        commands = bool(stage.mongo.commands)
    output = tail(stage.server.output)
    verdicts = {
        MONGO: expect(commands, Came.NO_MONGO_COMMAND, output=output),
        INSERT: expect(stored == said, Came.NOT_STORED, message=said[0], output=output),
        HISTORY: failed(Came.NO_HISTORY, message=" / ".join(said), came=came, output=output),
    }
    if forgot:
        verdicts[HISTORY] = failed(Came.FORGOTTEN, message=" / ".join(said))
    elif told:
        verdicts[HISTORY] = passed(*[(Remark.ON_REQUEST, {"word": asked})] if asked else [])
    student.explain(verdicts, "ii3.server", stage.server)
    return verdicts, not lost


async def _forgets(
    way: Way, dialect: Dialect | None, stage: Stage, asked: str, stored: list[str]
) -> bool:
    """Vrai si, relancé, un serveur qui ne lit pas MongoDB n'a plus rien à dire de ce qui y est."""
    assert stage.mongo
    await stage.server.end()
    server = await stage.launch()
    try:
        if not server.url:
            return False
        async with Room(way.newcomer(replace(stage, server=server), dialect)) as room:
            late = await room.enter(word())
            if asked:
                await late.say(asked)
            await _told(late, stored)
            heard = any(mentions(frame, text) for frame in late.after(0) for text in stored)
        return not heard and await _stored(stage.mongo, stored) == stored
    except REFUSED:
        return False
    finally:
        await server.end()


async def _newcomers(way: Way, stage: Stage) -> list[Newcomer]:
    """De quoi faire entrer un vrai client, de chaque sorte que l'on sait piloter."""
    student, found = way.student, []
    for role in student.clients("ii3", "ii2", "i3")[:2]:
        lesson = await student.lesson_or_none(role)
        if lesson and lesson.spoke:
            found.append(people(student, stage.server, role, lesson))
    return found


def requests(student: Student) -> list[str]:
    """Les mots, écrits dans le serveur, qui ont l'air de demander l'historique."""
    constants = student.hand_in.code("ii3.server").constants()
    return [word for word in constants if WANTED.fullmatch(word)][:3]


async def _told(late: Member, said: Sequence[str]) -> bool:
    """Vrai dès que ce client a reçu tous ces messages."""

    def all_there() -> bool:
        frames = late.after(0)
        return all(any(mentions(frame, text) for frame in frames) for text in said)

    return bool(await until(all_there, LATE))


async def _stored(mongo: MongoWatch, said: list[str]) -> list[str]:
    """Ceux de ces messages que MongoDB contient, une fois qu'on lui a laissé le temps."""
    stored: list[str] = []
    for _ in range(50):
        stored = [text for text in said if await asyncio.to_thread(mongo.contains, text)]
        if stored == said:
            break
        await asyncio.sleep(0.1)
    return stored
