"""Étapes II.2 et II.3 : ce qui est écrit dans Redis et MongoDB, et ce que le programme retient."""

import asyncio
import re

from grader.bases import (
    MongoWatch,
    RedisWatch,
    Snapshot,
    appeared,
    fresh_mongo,
    fresh_redis,
    gone_or_changed,
    shown,
)
from grader.chat import drive, guests, learned, names, texts
from grader.dialect import Dialect, known
from grader.launch import Ports, Served
from grader.room import LATE, Guest
from grader.sandbox import until
from grader.student import Student, tail
from grader.verdict import Verdict, could_not_run, failed, passed
from grader.wire import REFUSED, mentions, text_of

WRITES = 2  # secondes pour qu'une arrivée ou un départ se lise dans la base


class Photographer:
    """Photographie Redis avant et après une arrivée, puis après un départ."""

    def __init__(self, student: Student):
        self.student = student
        self.served: Served | None = None
        self.watch: RedisWatch | None = None
        self.forget()

    def forget(self) -> None:
        self.before: Snapshot = {}
        self.arrived: Snapshot = {}
        self.footprint: list[tuple] = []
        self.changed: list[tuple] = []
        self.registries: dict | None = None
        self.names: list[str] = []

    async def on_step(self, step: str, names: list[str]) -> None:
        if step == "before_arrival":
            self.forget()
            self.names = names
            self.before = await self.watch.snapshot()
        elif step == "arrival":
            await self._poll(self._arrival)
            self.registries = await self.served.program.ask({"pseudos": names})
            self.arrived = await self.watch.snapshot()
        elif step == "departure":
            await self._poll(self._departure)

    def saw_arrival(self) -> bool:
        """Vrai si Redis montre le pseudo du dernier arrivé : le serveur l'a compris."""
        words = repr([(place, self.arrived.get(place)) for place in self.footprint]).casefold()
        return bool(self.names) and self.names[-1] in words

    async def _poll(self, look) -> None:
        for _ in range(WRITES * 20):
            if await look():
                return
            await asyncio.sleep(0.05)

    async def _arrival(self) -> bool:
        self.footprint = appeared(self.before, await self.watch.snapshot())
        return bool(self.footprint)

    async def _departure(self) -> bool:
        self.changed = gone_or_changed(self.footprint, self.arrived, await self.watch.snapshot())
        return bool(self.changed)


async def redis_server(student: Student) -> dict[str, Verdict]:
    """Le serveur de II.2."""
    role = student.chat_client("ii2") or student.chat_client("i3")
    lesson = await student.lesson_or_none(role) if role else None
    photographer = Photographer(student)
    watches: list[RedisWatch] = []
    boxes = []

    async def start() -> Served:
        box = fresh_redis()
        watch = await box.__aenter__()
        boxes.append(box)
        watches.append(watch)
        served = await student.launcher.server("ii2.server", Ports(redis=watch.port))
        photographer.served, photographer.watch = served, watch
        return served

    try:
        if lesson and lesson.connected and not lesson.dialect:
            served = await start()
            if served.url:
                lesson = await student.relearn(role, served.url)
            await student.launcher.end(served.program)
        found = await drive(
            student, "ii2", start, role, lesson, photographer.on_step, photographer.saw_arrival
        )
        served = found.served
        commands = [command for watch in watches for command in watch.commands]
        await student.launcher.end(served.program)
        if (
            found.dialect
            and found.talk.opened
            and not (found.talk.delivered or photographer.changed)
        ):
            # Un serveur qui se trompe quand on parle peut bien ranger quand on se tait.
            photographer.changed = await _leaves_in_silence(start, found.dialect, photographer)
        return _judge_redis(student, found, photographer, commands)
    finally:
        await student.launcher.end_all()
        for box in boxes:
            await box.__aexit__(None, None, None)


async def _leaves_in_silence(start, dialect: Dialect, photographer: Photographer) -> list[tuple]:
    """Ce qui change dans Redis au départ d'un client qui n'a rien dit."""
    served = await start()
    if not served.url:
        return []
    seen = Photographer(photographer.student)
    seen.served, seen.watch = served, photographer.watch
    newcomer, present, said = guests(served, dialect), [], names()
    try:
        present.append(await newcomer(said[0]))
        await seen.on_step("before_arrival", said)
        present.append(await newcomer(said[-1]))
        await seen.on_step("arrival", said)
        await present.pop().close()
        await seen.on_step("departure", said)
    except REFUSED:
        return []
    finally:
        await asyncio.gather(*(guest.close() for guest in present), return_exceptions=True)
    return seen.changed


def _judge_redis(student, found, photographer, commands) -> dict[str, Verdict]:
    talk, served = found.talk, found.served
    output = tail(served.program)
    verdicts: dict[str, Verdict] = {}
    if not served.url or not (talk.opened or commands):
        came = failed("no_listen" if not served.url else "refused", error=talk.error, output=output)
        return {"ii2.server.redis": came}
    if not found.certain and not talk.delivered and not photographer.footprint:
        return {"ii2.server.redis": could_not_run("unknown_dialect")}
    if commands:
        verdicts["ii2.server.redis"] = passed()
        verdicts["ii2.server.async"] = judge_async(served.program.events)
    else:
        verdicts["ii2.server.redis"] = failed("no_redis_command", output=output)
    if talk.opened and not talk.error:
        if photographer.footprint:
            verdicts["ii2.server.add"] = passed()
            verdicts["ii2.server.remove"] = (
                passed()
                if photographer.changed
                else failed("still_there", keys=", ".join(map(shown, photographer.footprint[:4])))
            )
        else:
            verdicts["ii2.server.add"] = failed("nothing_added", output=output)
        verdicts["ii2.server.noglobal"] = judge_memory(photographer.registries)
    if talk.delivered:
        verdicts["ii2.server.chat"] = passed()
    elif found.certain:
        came = " / ".join(talk.heard_message[:4]) or "—"
        verdicts["ii2.server.chat"] = failed(
            "not_delivered", message=talk.texts[0], came=came, output=output
        )
    else:
        verdicts["ii2.server.chat"] = could_not_run("unknown_dialect")
    for verdict in verdicts.values():
        verdict.messages = talk.messages
    student.notice(verdicts, "ii2.server", served.program)
    return verdicts


def judge_async(events: list[dict]) -> Verdict:
    """Aucune commande du client synchrone dans la boucle, aucune coroutine abandonnée."""
    verdict = passed()
    for event in events:
        key = event.get("key", "")
        if key == "sync_redis:True":
            return failed("sync_call", command=event["command"], line=str(event.get("line", "?")))
        if key == "sync_redis:False":
            verdict.remarks.append(("sync_outside", {"command": event["command"]}))
        if event.get("event") == "unawaited" and event.get("library") in ("redis", ""):
            return failed("unawaited", name=event["name"], line=str(event.get("line", "?")))
    return verdict


def judge_memory(answer: dict | None) -> Verdict:
    """Aucun conteneur de données de clients ; des connexions seules : une remarque."""
    if not answer or "registries" not in answer:
        return could_not_run("no_facts", error=str((answer or {}).get("error", "—")))
    verdict = passed()
    for registry in answer["registries"]:
        if registry["kind"] == "data":
            return failed("registry", path=registry["path"], size=str(registry["size"]))
        verdict.remarks.append((f"{registry['kind']}", {"path": registry["path"]}))
    return verdict


async def mongo_server(student: Student) -> dict[str, Verdict]:
    """Le serveur de II.3, dans le premier dialecte où il enregistre ou raconte quelque chose."""
    role = student.chat_client("ii3") or student.chat_client("ii2") or student.chat_client("i3")
    lesson = await student.lesson_or_none(role) if role else None
    sure = learned(student, "ii3", lesson)
    first: dict[str, Verdict] = {}
    for dialect in (sure or known())[:4]:
        verdicts, understood = await _history(student, dialect)
        first = first or verdicts
        if understood:
            student.drives["ii3"] = f"{dialect.source}: {dialect.shown()}"
            return verdicts
        if "ii3.server.insert" not in verdicts:
            break
    if not sure:
        for check in ("ii3.server.insert", "ii3.server.history"):
            if check in first:
                first[check] = could_not_run("unknown_dialect")
    return first


async def _history(student: Student, dialect: Dialect) -> tuple[dict[str, Verdict], bool]:
    """Un auteur et un lecteur se parlent, puis un nouveau venu entre.

    Rend les verdicts, et si le serveur a compris ce dialecte.
    """
    async with fresh_redis() as redis, fresh_mongo() as mongo:
        served = await student.launcher.server(
            "ii3.server", Ports(redis=redis.port, mongo=mongo.port)
        )
        if not served.url:
            return {"ii3.server.mongo": failed("no_listen", output=tail(served.program))}, False
        said, newcomer, present = texts()[:3], guests(served, dialect), []
        try:
            author, reader, late = names()
            author = await newcomer(author)
            present.append(author)
            reader = await newcomer(reader)
            present.append(reader)
            heard = []
            for text in said:
                await author.say(text)
                heard.append(await reader.wait(text, LATE))
            stored = await _stored(mongo, said)
            late = await newcomer(late)
            present.append(late)
            # Un message perdu avant d'être enregistré n'est pas la faute de l'historique.
            kept = stored or said
            asked, told = "", await _told(late, kept)
            for asked in [] if told else requests(student):
                await late.say(asked)
                if told := await _told(late, kept):
                    break
        except REFUSED as error:
            came = failed("refused", error=str(error), output=tail(served.program))
            return {"ii3.server.mongo": came}, False
        finally:
            await asyncio.gather(*(guest.close() for guest in present), return_exceptions=True)
        commands = bool(mongo.commands)
        await student.launcher.end(served.program)
    output, came = tail(served.program), " / ".join(map(text_of, late.frames[:4])) or "—"
    mongo_verdict = passed() if commands else failed("no_mongo_command", output=output)
    insert = passed() if stored == said else failed("not_stored", message=said[0], output=output)
    history = failed("no_history", message=" / ".join(said), came=came, output=output)
    if told:
        history = passed(*([("on_request", {"word": asked})] if asked else []))
    verdicts = {
        "ii3.server.mongo": mongo_verdict,
        "ii3.server.insert": insert,
        "ii3.server.history": history,
    }
    student.notice(verdicts, "ii3.server", served.program)
    return verdicts, bool(stored or told or any(heard))


WANTED = re.compile(r"\W*(hist|log|last|old|prec)\w*\W*", re.I)


def requests(student: Student) -> list[str]:
    """Les mots, écrits dans le serveur, qui ont l'air de demander l'historique."""
    words = student.hand_in.code("ii3.server").constants()
    return [word for word in words if WANTED.fullmatch(word)][:3]


async def _told(late: Guest, said: list[str]) -> bool:
    """Vrai dès que ce client a reçu tous ces messages."""

    def all_there() -> bool:
        return all(any(mentions(frame, text) for frame in late.frames) for text in said)

    return bool(await until(all_there, LATE))


async def _stored(mongo: MongoWatch, said: list[str]) -> list[str]:
    """Ceux de ces messages que MongoDB contient, une fois qu'on lui a laissé le temps."""
    for _ in range(50):
        stored = [text for text in said if await asyncio.to_thread(mongo.contains, text)]
        if stored == said:
            break
        await asyncio.sleep(0.1)
    return stored
