"""Un chat piloté : des clients qui parlent un dialecte, ou de vrais clients de l'étudiant."""

import asyncio
import re
import signal
from dataclasses import dataclass, field

from grader.dialect import FILLER, Dialect, Lesson, shape
from grader.sandbox import until
from grader.wire import REFUSED, Frame, Link, mentions, text_of

LATE = 2.5  # secondes : certains chats livrent jusqu'à une seconde plus tard


@dataclass
class Guest(Link):
    """Un client du correcteur, qui parle un dialecte appris."""

    dialect: Dialect | None = None
    ids: dict[str, str] = field(default_factory=dict)
    hello: list[Frame] = field(default_factory=list)

    async def join(self, url: str) -> "Guest":
        """Arrive ; lève une des erreurs REFUSED si la connexion est refusée."""
        dialect = self.dialect
        await self.open(
            url + dialect.address(self.name, self.ids), dialect.headers, dialect.protocols
        )
        self.hello = dialect.arrival(self.name, self.ids)
        for number, frame in enumerate(self.hello):
            if number:  # le client a pu attendre une réponse avant d'envoyer la suite
                await until(lambda: self.frames or self.closed, 0.3)
            await self.send(frame)
        await self.settle(0.2)
        return self

    async def say(self, text: str) -> None:
        await self.send(self.dialect.saying(self.name, text, self.ids))


class Person:
    """Un vrai client de l'étudiant au bout d'un terminal : ses « messages » sont ses lignes."""

    def __init__(self, name: str, lesson: Lesson, more: int = 0):
        """`more` : les réponses à donner de plus qu'à la leçon avant d'être vraiment entré."""
        self.name, self.lesson, self.more = name, lesson, more
        self.hello: list[Frame] = []

    async def join(self, screen) -> "Person":
        """Répond aux questions de ce client tout juste ouvert comme lors de la leçon."""
        self.screen = screen
        await screen.quiet()
        first = self.lesson.dialect.text if self.lesson.dialect else self.lesson.texts[0]
        for answer in self.lesson.typed:
            if answer == first:
                break
            await screen.tell(self.name if answer == self.lesson.pseudo else answer)
            await screen.quiet(0.2, 1)
        for _ in range(self.more):
            await screen.tell(FILLER)
            await screen.quiet(0.2, 1)
        await screen.quiet(0.3, 2)
        return self

    @property
    def frames(self) -> list[str]:
        return self.screen.output.splitlines()

    @property
    def closed(self) -> str:
        return "" if self.screen.alive else "fini"

    def after(self, mark: int) -> list[str]:
        return self.frames[mark:]

    wait = Link.wait
    settle = Link.settle

    async def say(self, text: str) -> None:
        await self.screen.tell(text)

    async def close(self) -> None:
        self.screen.send_signal(signal.SIGINT)
        await until(lambda: not self.screen.alive, 1)
        await self.screen.end()

    async def cut(self) -> None:
        self.screen.send_signal(signal.SIGKILL)
        await until(lambda: not self.screen.alive, 2)


@dataclass
class Talk:
    """Ce qu'une conversation à trois a montré d'un serveur de chat."""

    opened: bool = False
    error: str = ""
    delivered: bool = False  # B a reçu le message de A
    all_delivered: bool = False  # et C aussi
    named: bool = False  # ce que B a reçu nomme A
    join: str = ""  # ce que B a reçu à l'arrivée de A : "named", "unnamed" ou rien
    leave: str = ""  # de même, ou "by_list" : la liste des présents est revenue sans A
    heard_join: list[str] = field(default_factory=list)
    heard_message: list[str] = field(default_factory=list)
    heard_leave: list[str] = field(default_factory=list)
    sample: Frame | None = None  # le message tel que B l'a reçu
    names: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    messages: int = 0


JOIN_WORDS = ("rejoi", "join", "connect", "arriv", "bienvenue", "entr", "nouve", "new", "hello",
              "welcome", "bonjour")  # fmt: skip
LEAVE_WORDS = ("quit", "left", "leav", "part", "déconn", "deconn", "disconn", "sort", "bye",
               "au revoir", "exit", "gone", "perdu")  # fmt: skip


def announced(frames: list[Frame], name: str, raw: list[Frame], words: tuple[str, ...]) -> str:
    """Dit si l'un de ces messages annonce `name` : "named", "unnamed", ou "" s'il n'y en a pas.

    Le salut brut de l'arrivant, relayé tel quel, n'est pas une annonce, sauf si c'est une phrase
    qui l'annonce : « ana a rejoint la chatroom ».
    """
    brut = saluts(raw, name)
    kept = [text_of(frame) for frame in frames if text_of(frame).strip() not in brut]
    if any(mentions(text, name) for text in kept):
        return "named"
    return "unnamed" if any(w in text.casefold() for text in kept for w in words) else ""


def saluts(raw: list[Frame], name: str) -> set[str]:
    """Les messages bruts de l'arrivant qui ne disent pas en toutes lettres qu'il arrive."""
    return {text_of(frame).strip() for frame in raw if not is_sentence(text_of(frame), name)}


def taken_for_messages(raw: list[Frame], name: str, sample: Frame, text: str) -> set[str]:
    """La forme qu'ont les saluts bruts d'un serveur qui les prend pour des messages, et les relaie
    comme `sample` relaie `text` : « ana a dit : Hello|ana ».
    """
    return {
        shape(re.sub(re.escape(text), lambda _, salut=salut: salut, text_of(sample), flags=re.I))
        for salut in saluts(raw, name)
    }


def is_sentence(text: str, name: str) -> bool:
    """Vrai si ce texte dit en toutes lettres que `name` arrive."""
    words = [w for w in JOIN_WORDS if w not in ("hello", "bonjour", "new")]
    return (
        len(text.split()) > 2 and mentions(text, name) and any(w in text.casefold() for w in words)
    )


def unlisted(before: list[Frame], after: list[Frame], name: str, other: str) -> bool:
    """Vrai si une liste des présents, où `name` était avec `other`, est revenue sans `name`."""
    listed = any(mentions(frame, name) and mentions(frame, other) for frame in before)
    return listed and any(mentions(f, other) and not mentions(f, name) for f in after)


async def converse(newcomer, names: list[str], texts: list[str], on_step=None) -> Talk:
    """B, C puis A arrivent ; A parle ; A s'en va. `newcomer(nom)` fait entrer quelqu'un.

    `on_step(étape)` est attendue après "before_arrival", "arrival" et "departure" : c'est là que
    l'on regarde les bases de données.
    """
    talk, present = Talk(names=names, texts=texts), []
    b_name, c_name, a_name = names

    async def step(name: str) -> None:
        if on_step:
            await on_step(name, names)

    try:
        try:
            b = await newcomer(b_name)
            present.append(b)
            talk.opened = True
            c = await newcomer(c_name)
            present.append(c)
            await b.settle()
            await step("before_arrival")
            mark = len(b.frames)
            a = await newcomer(a_name)
            present.append(a)
        except REFUSED as error:
            talk.error = f"{type(error).__name__}: {error}"
            return talk
        raw = a.hello
        await until(lambda: announced(b.after(mark), a_name, raw, ()) or b.closed, LATE)
        arrival = b.after(mark)
        talk.heard_join = [text_of(f) for f in arrival]
        await step("arrival")

        mark = len(b.frames)
        await a.say(texts[0])
        talk.sample = await b.wait(texts[0], LATE, mark)
        talk.delivered = talk.sample is not None
        relayed = taken_for_messages(raw, a_name, talk.sample, texts[0]) if talk.delivered else ()
        arrival = [frame for frame in arrival if shape(text_of(frame)) not in relayed]
        talk.join = announced(arrival, a_name, raw, JOIN_WORDS)
        talk.all_delivered = await c.wait(texts[0], LATE if talk.delivered else 0.2) is not None
        if talk.delivered and not mentions(talk.sample, a_name):
            await b.settle(0.3)
        else:
            await b.settle()
        talk.heard_message = [text_of(f) for f in b.after(mark)]
        talk.named = talk.delivered and any(mentions(f, a_name) for f in b.after(mark))

        mark = len(b.frames)
        await a.close()
        present.remove(a)
        await until(lambda: announced(b.after(mark), a_name, [], ()) or b.closed, LATE)
        talk.leave = announced(b.after(mark), a_name, [], LEAVE_WORDS)
        if not talk.leave and unlisted(b.frames[:mark], b.after(mark), a_name, c_name):
            talk.leave = "by_list"
        talk.heard_leave = [text_of(f) for f in b.after(mark)]
        await step("departure")
    finally:
        talk.messages = sum(len(guest.frames) for guest in present)
        await asyncio.gather(*(guest.close() for guest in present), return_exceptions=True)
    return talk


async def survive(newcomer, names: list[str], texts: list[str]) -> tuple[bool, str]:
    """B, C et A arrivent, la connexion de A est coupée net : B et C se parlent encore, deux fois.

    Rend (tout est arrivé, ce qui ne l'est pas).
    """
    b_name, c_name, a_name = names
    present = []
    try:
        try:
            for name in (b_name, c_name, a_name):
                present.append(await newcomer(name))
        except REFUSED as error:
            return False, f"{type(error).__name__}: {error}"
        b, c, a = present
        await a.cut()
        present.remove(a)
        await b.settle()
        for number, (author, reader) in enumerate([(b, c), (c, b), (b, c), (c, b)]):
            await author.say(texts[number])
            if await reader.wait(texts[number], LATE) is None:
                return False, f"{author.name} → {reader.name}, message {number // 2 + 1}"
        return True, ""
    finally:
        await asyncio.gather(*(guest.close() for guest in present), return_exceptions=True)
