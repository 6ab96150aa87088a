"""Étape II.2 : ce qui est écrit dans Redis, et ce que le programme retient."""

from dataclasses import replace

from grader.finding.code import Code
from grader.judging.attempt import Attempt, Way, drive
from grader.judging.awaits import concerns_redis, forgotten
from grader.judging.chat_server import judge_delivery
from grader.judging.pictures import Picture
from grader.judging.room import Room, guests
from grader.judging.second import seen_twice
from grader.judging.stage import opening
from grader.judging.student import Student
from grader.learning.dialect import Dialect, words
from grader.learning.wire import REFUSED
from grader.running.screen import tail
from grader.running.snapshot import Place, shown
from grader.verdict import (
    Came,
    Event,
    Remark,
    Verdict,
    Verdicts,
    could_not_run,
    expect,
    failed,
    passed,
)

ASYNC = "ii2.server.async"


async def server(student: Student) -> Verdicts:
    """Le serveur de II.2."""
    role, lesson = await student.speaker("ii2", "i3")
    stages = opening(student, "ii2.server", redis=True)
    if role and lesson and lesson.connected and not lesson.dialect:
        async with stages() as stage:
            if stage.server.url:
                lesson = await student.relearn(role, stage.server.url)
    way = Way(student, "ii2", stages, role, lesson)
    found = await drive(way)
    changed = found.picture.changed
    if found.dialect and found.talk.opened and not (found.talk.delivered or changed):
        # Un serveur qui se trompe quand on parle peut bien ranger quand on se tait.
        changed = await _leaves_in_silence(way, found.dialect)

    code = student.hand_in.code("ii2.server")

    async def look() -> Verdicts:
        again = replace(await way.attempt(found.dialect), certain=found.certain)
        verdicts = _judge(again, again.picture.changed, code)
        if again.worth < found.worth and ASYNC in verdicts and verdicts[ASYNC].good:
            del verdicts[ASYNC]  # allé moins loin, il n'a pas tout vu
        return verdicts

    verdicts = await seen_twice(_judge(found, changed, code), look)
    for verdict in verdicts.values():
        verdict.messages = found.talk.messages
    return student.explain(verdicts, "ii2.server", found.server)


async def _leaves_in_silence(way: Way, dialect: Dialect) -> list[Place]:
    """Ce qui change dans Redis au départ d'un client qui n'a rien dit."""
    async with way.open() as stage:
        if not stage.server.url:
            return []
        picture, names = Picture(stage), words(3, 3)
        try:
            async with Room(guests(stage.server, dialect)) as room:
                await room.enter(names[0])
                await picture.before_arrival()
                last = await room.enter(names[-1])
                await picture.arrival(names[-1])
                await room.leave(last)
                await picture.departure()
        except REFUSED:
            return []
        return picture.changed


def _judge(found: Attempt, changed: list[Place], code: Code) -> Verdicts:
    talk, picture, server = found.talk, found.picture, found.server
    output = tail(server.output)
    if not server.url:
        return {"ii2.server.redis": failed(Came.NO_LISTEN, output=output)}
    if not (talk.opened or picture.commands):
        return {"ii2.server.redis": failed(Came.REFUSED, error=talk.error, output=output)}
    if not (found.certain or talk.delivered or picture.footprint):
        return {"ii2.server.redis": could_not_run(Came.UNKNOWN_DIALECT)}
    verdicts: Verdicts = {}
    verdicts["ii2.server.redis"] = expect(picture.commands, Came.NO_REDIS_COMMAND, output=output)
    if picture.commands:
        verdicts[ASYNC] = judge_async(server.events, code)
    if talk.opened and not talk.error:
        added = picture.footprint or picture.written
        noise = ", ".join(map(shown, sorted(picture.noise)[:4]))
        why = Came.UNCAUSED if noise else Came.NOTHING_ADDED
        verdicts["ii2.server.add"] = expect(added, why, output=output, came=noise)
        if picture.footprint:
            keys = ", ".join(map(shown, picture.footprint[:4]))
            verdicts["ii2.server.remove"] = expect(changed, Came.STILL_THERE, keys=keys)
        elif added:  # un accident a fait partir l'arrivant, et son départ a tout effacé
            verdicts["ii2.server.remove"] = passed()
        verdicts["ii2.server.noglobal"] = judge_memory(picture.registries)
    verdicts["ii2.server.chat"] = judge_delivery(found)
    return verdicts


def judge_async(events: list[Event], code: Code) -> Verdict:
    """Aucune commande du client synchrone dans la boucle, ni dans un fil que rien n'attend ; aucune
    coroutine abandonnée.
    """
    verdict = passed()
    for event in events:
        line = str(event.get("line", "?"))
        match event.get("event"):
            case "sync_redis" if event["loop"]:
                return failed(Came.SYNC_CALL, command=event["command"], line=line)
            case "sync_redis" if event["thread"]:
                return failed(Came.SYNC_THREAD, command=event["command"], line=line)
            case "sync_redis":
                verdict.remarks.append((Remark.SYNC_OUTSIDE, {"command": event["command"]}))
            case "unawaited" if event["library"] in ("redis", "") and forgotten(code, event):
                if concerns_redis(code, event):
                    return failed(Came.UNAWAITED, name=event["name"], line=line)
    return verdict


def judge_memory(answer: Event | None) -> Verdict:
    """Aucun conteneur de données de clients ; des connexions seules : une remarque."""
    if not answer or "registries" not in answer:
        return could_not_run(Came.NO_FACTS, error=str((answer or {}).get("error", "—")))
    verdict = passed()
    for registry in answer["registries"]:
        if registry["kind"] == "data":
            return failed(Came.REGISTRY, path=registry["path"], size=str(registry["size"]))
        verdict.remarks.append((Remark(registry["kind"]), {"path": registry["path"]}))
    return verdict
