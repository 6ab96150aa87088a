"""Une conversation à trois dans une salle de chat, jugée par ce que reçoivent des tiers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto

from grader.clock import until
from grader.judging.causes import only_of, unheard
from grader.judging.pictures import Picture
from grader.judging.room import LATE, Newcomer, Room
from grader.learning.dialect import shape
from grader.learning.wire import REFUSED, Frame, mentions, text_of

ARRIVAL_WORDS = ("rejoi", "join", "connect", "arriv", "bienvenue", "entr", "nouve", "welcome")
SALUTES = ("hello", "bonjour", "new")  # d'une annonce, mais aussi d'un simple bonjour
DEPARTURE_WORDS = ("quit", "left", "leav", "part", "déconn", "deconn", "disconn", "sort", "bye",
                   "au revoir", "exit", "gone", "perdu")  # fmt: skip


class Told(StrEnum):
    """Comment une arrivée ou un départ a été annoncé ; une remarque, si ce n'est par son nom."""

    NOT = ""
    NAMED = auto()
    UNNAMED = auto()
    BY_LIST = auto()  # la liste des présents est revenue sans celui qui est parti


@dataclass
class Talk:
    """Ce qu'une conversation à trois a montré d'un serveur de chat."""

    names: list[str]
    texts: list[str]
    opened: bool = False
    error: str = ""
    sample: Frame | None = None  # le message de A tel que B l'a reçu
    all_delivered: bool = False  # C l'a reçu aussi
    named: bool = False  # ce que B a reçu nomme A
    join: Told = Told.NOT
    leave: Told = Told.NOT
    counted: list[str] = field(default_factory=list)  # ce que seul un compte a dit
    uncaused: set[str] = field(default_factory=set)  # ce qui est venu, mais vient aussi sans raison
    heard_join: list[str] = field(default_factory=list)
    heard_message: list[str] = field(default_factory=list)
    heard_leave: list[str] = field(default_factory=list)
    messages: int = 0

    @property
    def author(self) -> str:
        return self.names[2]

    @property
    def text(self) -> str:
        return self.texts[0]

    def count_only(self, what: str, changed: bool) -> None:
        """Cette annonce n'est qu'un compte, s'il a changé ; sinon elle n'est pas venue."""
        setattr(self, what, Told.UNNAMED if changed else Told.NOT)
        if changed:
            self.counted.append(what)

    def told_nobody(self) -> None:
        """Oublie les annonces qui n'étaient qu'un compte."""
        for what in self.counted:
            setattr(self, what, Told.NOT)

    @property
    def delivered(self) -> bool:
        return self.sample is not None


async def converse(
    newcomer: Newcomer, names: list[str], texts: list[str], picture: Picture
) -> Talk:
    """B, A puis C arrivent ; A parle ; A s'en va. Rend ce qui s'en est vu.

    A n'est pas le dernier venu : un serveur qui ne retient que celui-là ne sait plus qui parle.
    """
    talk = Talk(names, texts)
    b_name, c_name, a_name = names

    def joined(frames: Sequence[Frame]) -> Told:
        return announced(frames, a_name, a.hello, (*ARRIVAL_WORDS, *SALUTES), (b_name,))

    def left(frames: Sequence[Frame]) -> Told:
        return announced(frames, a_name, (), DEPARTURE_WORDS, (b_name, c_name))

    async with Room(newcomer) as room:
        try:
            b = await room.enter(b_name)
            talk.opened = True
            await b.settle()
            await picture.before_arrival()
            mark = b.mark
            a = await room.enter(a_name)
            await until(lambda: announced(b.after(mark), a_name, a.hello) or b.closed, LATE)
            before, arrival = b.after(0)[:mark], b.after(mark)
            talk.heard_join = [text_of(frame) for frame in arrival]
            await picture.arrival(a_name)
            c = await room.enter(c_name)
            await b.settle()
            await picture.together(names)
        except REFUSED as error:
            talk.error = f"{type(error).__name__}: {error}"
            return talk

        spoken = b.mark
        await a.say(talk.text)
        talk.sample = await b.wait(talk.text, LATE, spoken)
        if talk.sample is not None:
            relayed = taken_for_messages(a.hello, a_name, talk.sample, talk.text)
            arrival = [frame for frame in arrival if shape(text_of(frame)) not in relayed]
        talk.join = joined(arrival)
        if not talk.join:
            talk.count_only("join", counted(before, arrival, 1))
        talk.all_delivered = bool(await c.wait(talk.text, LATE if talk.delivered else 0.2))
        unsigned = talk.sample is not None and not mentions(talk.sample, a_name)
        await b.settle(0.3 if unsigned else 0.15)
        heard = b.after(spoken)
        talk.heard_message = [text_of(frame) for frame in heard]
        signed = [frame for frame in heard if talk.delivered and mentions(frame, a_name)]
        for other in (b_name, c_name):
            talk.named = bool(signed := only_of(a_name, other, signed, heard))
        if any(mentions(frame, a_name) for frame in heard) and not talk.named:
            talk.uncaused.add("pseudo")

        gone = b.mark
        await room.leave(a)
        await until(lambda: announced(unheard(b.after(gone), heard), a_name) or b.closed, LATE)
        await b.settle()
        news = unheard(b.after(gone), heard)
        if not c.closed:
            news = only_of(a_name, c_name, news, b.after(gone))
        talk.leave = left(news)
        if not talk.leave and unlisted(b.after(0)[:gone], news, a_name, c_name):
            talk.leave = Told.BY_LIST
        if not talk.leave:
            talk.count_only("leave", counted(b.after(0)[:gone], news, -1))
        if left(b.after(gone)) and not talk.leave:
            talk.uncaused.add("leave")
        talk.heard_leave = [text_of(frame) for frame in b.after(gone)]
        talk.messages = sum(member.mark for member in room.present)
        await picture.departure()

        again = b.after(0)[mark + len(talk.heard_join) : gone]
        once = only_of(a_name, b_name, unheard(arrival, again), b.after(mark))
        if joined(arrival) and not joined(once):
            # Redite, ou dite aussi de qui était déjà là : le sera-t-elle encore, A parti ?
            quiet = b.mark
            await until(lambda: not joined(unheard(arrival, b.after(quiet))), LATE)
            if not joined(unheard(arrival, b.after(quiet))):
                talk.uncaused.add("join")
                talk.count_only("join", counted(before, arrival, 1))
    return talk


async def survive(newcomer: Newcomer, names: list[str], texts: list[str]) -> str:
    """B, C et A arrivent, la connexion de A est coupée net : B et C se parlent encore, deux fois.

    Rend ce qui n'est pas arrivé, ou rien.
    """
    async with Room(newcomer) as room:
        try:
            b, c, a = [await room.enter(name) for name in names]
        except REFUSED as error:
            return f"{type(error).__name__}: {error}"
        await room.cut(a)
        await b.settle()
        for number, (author, reader) in enumerate([(b, c), (c, b), (b, c), (c, b)]):
            await author.say(texts[number])
            if await reader.wait(texts[number], LATE) is None:
                return f"{author.name} → {reader.name}, message {number // 2 + 1}"
    return ""


def announced(
    frames: Sequence[Frame],
    name: str,
    raw: Sequence[Frame] = (),
    words: Sequence[str] = (),
    others: Sequence[str] = (),
) -> Told:
    """Dit comment l'un de ces messages annonce `name`, ou l'annonce sans le nommer, par l'un de ces
    mots ; nommer l'un des autres à sa place n'est pas l'annoncer.

    Le salut brut de l'arrivant, relayé tel quel, n'est pas une annonce, sauf si c'est une phrase
    qui l'annonce : « ana a rejoint la chatroom ».
    """
    salutes = bare_salutes(raw, name)
    kept = [text_of(frame) for frame in frames if text_of(frame).strip() not in salutes]
    if any(mentions(text, name) for text in kept):
        return Told.NAMED
    about = [text for text in kept if not any(mentions(text, other) for other in others)]
    told = any(word in text.casefold() for text in about for word in words)
    return Told.UNNAMED if told else Told.NOT


def bare_salutes(raw: Sequence[Frame], name: str) -> set[str]:
    """Les messages bruts de l'arrivant qui ne disent pas en toutes lettres qu'il arrive."""
    return {text_of(frame).strip() for frame in raw if not is_sentence(text_of(frame), name)}


def taken_for_messages(raw: Sequence[Frame], name: str, sample: Frame, text: str) -> set[str]:
    """La forme qu'ont les saluts bruts d'un serveur qui les prend pour des messages, et les relaie
    comme `sample` relaie `text` : « ana a dit : Hello|ana ».
    """
    around = re.split(re.escape(text), text_of(sample), flags=re.I)
    return {shape(salute.join(around)) for salute in bare_salutes(raw, name)}


def is_sentence(text: str, name: str) -> bool:
    """Vrai si ce texte dit en toutes lettres que `name` arrive."""
    said = any(word in text.casefold() for word in ARRIVAL_WORDS)
    return said and len(text.split()) > 2 and mentions(text, name)


def counted(before: Sequence[Frame], after: Sequence[Frame], step: int) -> bool:
    """Vrai si un compte des présents est revenu, avec un de plus ou de moins : « 3 en ligne »."""
    counts = [re.findall(r"\d+", text_of(frame)) for frame in before]
    known = {shape(text_of(frame)): count for frame, count in zip(before, counts, strict=True)}
    for text in map(text_of, after):
        old, new = known.get(shape(text), []), re.findall(r"\d+", text)
        if len(old) == len(new) == 1 and int(new[0]) - int(old[0]) == step:
            return True
    return False


def unlisted(before: Sequence[Frame], after: Sequence[Frame], name: str, other: str) -> bool:
    """Vrai si une liste des présents, où `name` était avec `other`, est revenue sans `name`."""
    listed = any(mentions(frame, name) and mentions(frame, other) for frame in before)
    return listed and any(mentions(frame, other) and not mentions(frame, name) for frame in after)
