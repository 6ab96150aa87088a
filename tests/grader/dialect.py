"""Le dialecte d'un chat : ce qu'un client envoie pour arriver, puis pour parler.

On l'apprend du client de l'étudiant, lancé contre un faux serveur qui note tout ; les messages
gardés servent ensuite de modèles, avec d'autres pseudos et d'autres textes. Sans client utilisable,
on essaie les dialectes connus, et ceux que le code du serveur laisse deviner.
"""

import ast
import base64
import json
import random
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from grader.arguments import TOGETHER
from grader.handin import HandIn
from grader.sandbox import until
from grader.wire import Frame, Mock, Visit, mentions, unwrap

PSEUDO, MESSAGE = "pseudoquelconque", "messagequelconque"  # les mots des modèles écrits ici
FILLER = "bleu"  # la réponse à une question du serveur que la leçon n'a pas vue
UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.I)
CONSONANTS, VOWELS = "bdfglmnprtvz", "aeiou"

# Les questions d'un client auxquelles il ne faut répondre ni par un pseudo ni par un message.
PORT = re.compile(r"\bport\b", re.I)
URL = re.compile(r"\buri\b|\burl\b|ws://", re.I)
HOST = re.compile(r"adresse|address|\bhost\b|\bhôte\b|\bip\b|\bserveur\b|\bserver\b", re.I)
SECRET = re.compile(r"mot de passe|password", re.I)
NAME = re.compile(r"pseudo|\bnom\b|\bname\b|nickname|username|login|qui es|appel", re.I)
MENU = re.compile(r"^\s*1\s*[.):-]", re.M)
# « (rouge/vert/bleu) », « (1 rouge, 2 vert) », « [1-4] » : le premier choix.
CHOICES = re.compile(
    r"[(\[](?:(\w+)(?: ?[/,|] ?\w+)+"
    r"|(\d+)[ =:.)-]+[^\W\d]\w+(?:[ ,;/|]+\d+[ =:.)-]+[^\W\d]\w+)+"
    r"|(\d+) ?(?:-|à|\.\.) ?\d+)[)\]]"
)


def word(syllables: int = 3) -> str:
    """Un mot prononçable et sans doute unique, en minuscules : « vodaku »."""
    return "".join(random.choice(CONSONANTS) + random.choice(VOWELS) for _ in range(syllables))


def respell(frame: Frame, spelling: dict[str, str], ids: dict[str, str]) -> Frame:
    """Le message avec d'autres mots, écrits comme les premiers (Majuscule, MAJUSCULES), et
    d'autres identifiants : deux clients ne doivent pas porter le même.
    """
    binary = isinstance(frame, bytes)
    text = frame.decode("latin-1") if binary else frame
    inside = unwrap(text)
    if any(old.casefold() in inside.casefold() for old in spelling):
        wrapped = base64.b64encode(respell(inside, spelling, ids).encode())
        return wrapped if binary else wrapped.decode()
    for old, new in spelling.items():

        def same_case(found: re.Match[str], new: str = new) -> str:
            seen = found[0]
            if seen.isupper():
                return new.upper()
            return new.capitalize() if seen[0].isupper() else new

        text = re.sub(re.escape(old), same_case, text, flags=re.I)
    text = UUID.sub(lambda m: ids.setdefault(m[0], _like(m[0])), text)
    return text.encode("latin-1") if binary else text


def _like(old: str) -> str:
    return str(uuid.uuid4()) if "-" in old else uuid.uuid4().hex


@dataclass
class Dialect:
    """Des modèles de messages, où `pseudo` et `message` sont les mots à remplacer."""

    hello: list[Frame]
    message: Frame
    pseudo: str = PSEUDO
    text: str = MESSAGE
    path: str = "/"
    headers: dict[str, str] = field(default_factory=dict)
    protocols: list[str] = field(default_factory=list)
    source: str = "known"  # "client", "known", "code" ou "end_to_end"
    more: int = 0  # messages de plus qu'à la leçon, avant d'être vraiment entré
    role: str = ""  # le script dont il vient

    def arrival(self, pseudo: str, ids: dict[str, str]) -> list[Frame]:
        frames = [respell(frame, {self.pseudo: pseudo}, ids) for frame in self.hello]
        return frames + [self.saying(pseudo, FILLER, ids)] * self.more

    def saying(self, pseudo: str, text: str, ids: dict[str, str]) -> Frame:
        return respell(self.message, {self.text: text, self.pseudo: pseudo}, ids)

    def address(self, pseudo: str, ids: dict[str, str]) -> str:
        return str(respell(self.path, {self.pseudo: pseudo}, ids))

    def shown(self) -> str:
        """Le dialecte en une ligne, pour le rapport."""
        hello = ", ".join(map(_short, self.arrival("Zoe", {})))
        path = "" if self.path == "/" else self.address("Zoe", {}) + " "
        return f"{path}{hello or '—'} ; {_short(self.saying('Zoe', 'bonjour', {}))}"


def _short(frame: Frame) -> str:
    return repr(frame) if len(frame) < 80 else repr(frame[:77]) + "…"


# --- Apprendre du client de l'étudiant ------------------------------------------------------------


@dataclass
class Lesson:
    """Ce qu'une conversation avec le faux serveur a montré d'un client."""

    connected: bool = False
    named: bool = False  # le pseudo tapé est parti
    asked: bool = False  # il a posé une question avant
    spoke: bool = False  # un message tapé est parti
    typed: list[str] = field(default_factory=list)
    pseudo: str = ""
    texts: list[str] = field(default_factory=list)
    without: tuple[str, ...] = ()
    dialect: Dialect | None = None
    output: str = ""
    exit_code: int | None = None
    frames: list[Frame] = field(default_factory=list)
    events: list[dict] = field(default_factory=list)


# Ouvre un client vers ce port, dans une copie sans ces fichiers, avec ce pseudo s'il le veut en
# argument : un Program ou une Page.
Opener = Callable[[int, tuple[str, ...], str], Awaitable]


def answering(visit: Visit, frame: Frame) -> list[Frame]:
    """Un serveur poli : une session à l'arrivée, puis un accusé à chaque message."""
    answer = f"ID|{uuid.uuid4()}" if len(visit.frames) == 1 else "[12:00] Bien reçu"
    return [answer.encode() if isinstance(frame, bytes) else answer]


PERSONAS = (
    {},
    {"reply": answering},
    {"reply": answering, "greeting": ["Bienvenue ! Quel est ton pseudo ?"]},
)


async def learn(open_client: Opener, role: str, real: str = "") -> Lesson:
    """Fait parler un client à un faux serveur, muet, puis bavard si le client attend qu'on parle.

    `real` : l'adresse du vrai serveur de l'étudiant, à écouter par un relais plutôt que de le
    remplacer. Rend la meilleure leçon : celle où le pseudo et les messages sont partis.
    """
    best, without = Lesson(), ()
    for number, persona in enumerate([{"real": real}] if real else PERSONAS):
        async with Mock(**persona) as mock:
            lesson = await _converse(open_client, role, mock, without)
        if number == 0 or _worth(lesson) > _worth(best):
            best = lesson
        if lesson.dialect and lesson.named and (lesson.asked or not _leftovers(lesson)):
            return lesson
        if not lesson.asked and not without and (left := _leftovers(lesson)):
            without = left
    return best


def _worth(lesson: Lesson) -> int:
    return sum((lesson.connected, lesson.named * 2, lesson.spoke * 2, bool(lesson.dialect)))


def _leftovers(lesson: Lesson) -> tuple[str, ...]:
    """Les fichiers d'une exécution d'avant que le client a lus (ils lui évitent de demander)."""
    files = [e for e in lesson.events if e.get("key", "").startswith("file:")]
    return tuple({e["path"] for e in files if not e["path"].endswith((".env", ".ini", ".toml"))})


async def _converse(open_client: Opener, role: str, mock: Mock, without: tuple) -> Lesson:
    pseudo, texts = word(), [word(4) for _ in range(6)]
    lesson = Lesson(pseudo=pseudo, texts=texts, without=without)
    program = await open_client(mock.port, without, pseudo)
    program.heard = mock.heard
    await program.quiet()
    lesson.asked = bool(program.output.strip())
    spoken: list[str] = []
    idle = 0  # réponses de suite restées sans effet
    for _ in range(9):
        if not program.alive or idle == 3:
            break
        answer = choose(program.question, pseudo, mock, lesson.typed, texts)
        lesson.typed.append(answer)
        await program.tell(answer)
        await program.quiet(0.1, 0.6)
        await until(lambda a=answer: mock.heard(a) or not program.alive, 1.2)
        if answer in texts and mock.heard(answer):
            spoken.append(answer)
        idle = 0 if mock.heard(answer) or program.question else idle + 1
        if len(spoken) >= 2 and (found := _dialect(mock, pseudo, spoken, role)):
            lesson.dialect = found
            break
    lesson.connected = bool(mock.visits)
    lesson.named, lesson.spoke = mock.heard(pseudo), any(mock.heard(text) for text in texts)
    lesson.frames = mock.frames
    lesson.output, lesson.exit_code = program.output, program.exit_code
    await program.end()
    lesson.events = program.events
    return lesson


def choose(asked: str, pseudo: str, mock: Mock, typed: list[str], texts: list[str]) -> str:
    """La réponse à ce que le programme vient d'écrire, `asked`."""
    lines = [line for line in asked.splitlines() if line.strip()]
    question = lines[-1] if lines else ""
    if not mock.visits:
        if TOGETHER.search(question):
            return "127.0.0.1:8888"
        if PORT.search(question):
            return "8888"
        if URL.search(question) and not NAME.search(question):
            return "ws://127.0.0.1:8888"
        if HOST.search(question) and not NAME.search(question):
            return "127.0.0.1"
    if SECRET.search(question):
        return "secret"
    if MENU.search("\n".join(lines[-6:])) and "1" not in typed:
        return "1"
    if not NAME.search(question) and (found := CHOICES.search(question)):
        choice = next(filter(None, found.groups()))
        if choice not in typed:
            return choice
    if pseudo not in typed and not mock.heard(pseudo):  # il l'a pu recevoir en argument
        return pseudo
    if NAME.search(question) and not mock.heard(pseudo) and typed.count(pseudo) < 2:
        return pseudo
    return next(text for text in [*texts, texts[-1]] if text not in typed or text == texts[-1])


def _dialect(mock: Mock, pseudo: str, spoken: list[str], role: str) -> Dialect | None:
    """Le dialecte, une fois que deux messages de suite ont la même forme."""
    visit = max(mock.visits, key=lambda visit: len(visit.frames))
    one, two = spoken[-2:]
    firsts = [n for n, frame in enumerate(visit.frames) if mentions(frame, one)]
    seconds = [n for n, frame in enumerate(visit.frames) if mentions(frame, two)]
    if not firsts or not seconds:
        return None
    template = visit.frames[firsts[0]]
    if shape(respell(template, {one: two}, {})) != shape(visit.frames[seconds[0]]):
        return None
    return Dialect(
        hello=visit.frames[: firsts[0]],
        message=template,
        pseudo=pseudo,
        text=one,
        path=visit.path,
        headers=visit.headers,
        protocols=visit.protocols,
        source="client",
        role=role,
    )


def shape(frame: Frame) -> str:
    """Le message sans ce qui change d'une fois à l'autre : chiffres et identifiants."""
    text = frame.decode("latin-1") if isinstance(frame, bytes) else frame
    text = unwrap(text) or text
    return re.sub(r"[\d.]+", "0", UUID.sub("id", text)).casefold()


# --- Les dialectes connus, et ceux que le code laisse deviner -------------------------------------


def known() -> list[Dialect]:
    """Ceux que l'on rencontre, du plus courant au plus rare."""
    p, m = PSEUDO, MESSAGE
    pairs: list[tuple[list[Frame], Frame]] = [
        ([f"Hello|{p}"], m),
        ([p], m),
        ([json.dumps({"pseudo": p})], json.dumps({"message": m})),
        ([f"Hello|{p}".encode()], m.encode()),
        ([], f"{p}: {m}"),
        ([p.encode()], m.encode()),
        ([f"Hello|{p}"], f"Message|{m}"),
        ([f"Pseudo|{p}"], m),
        ([f"Hello {p}"], m),
        ([], json.dumps({"pseudo": p, "message": m})),
    ]
    dialects = [Dialect(hello, message) for hello, message in pairs]
    return [*dialects, Dialect([], m, path=f"/{p}"), Dialect([], m, path=f"/?pseudo={p}")]


NAME_KEYS = ("pseudo", "username", "user", "name", "nom", "nick", "nickname", "login", "from",
             "author", "sender", "auteur", "joueur")  # fmt: skip
TEXT_KEYS = ("message", "msg", "text", "texte", "content", "contenu", "data", "body", "payload")
KIND_KEYS = ("type", "action", "cmd", "command", "event", "kind", "op", "t")
JOIN_WORDS = ("join", "hello", "login", "connect", "register", "pseudo", "enter", "init", "arriv",
              "bonjour", "nick", "auth", "rejoin", "set")  # fmt: skip
SAY_WORDS = ("message", "msg", "chat", "say", "send", "text", "talk", "dire", "parle")


def from_code(hand_in: HandIn, role: str) -> list[Dialect]:
    """Les dialectes que les chaînes écrites dans le serveur laissent deviner."""
    code = hand_in.code(role)
    words = list(dict.fromkeys(code.constants())) if code else []
    found: list[Dialect] = []
    p, m = PSEUDO, MESSAGE
    prefixes = [w for w in words if re.fullmatch(r"/?\w{1,12}\s?[|:;,# ]+", w) or w.endswith("|")]
    for prefix in prefixes[:4]:
        found.append(Dialect([f"{prefix}{p}"], m))
        for other in prefixes[:4]:
            if other != prefix:
                found.append(Dialect([f"{prefix}{p}"], f"{other}{m}"))
    if "json" in code.text if code else False:
        names = [w for w in words if w.lower() in NAME_KEYS] or ["pseudo"]
        texts = [w for w in words if w.lower() in TEXT_KEYS and w not in names] or ["message"]
        kinds = [w for w in words if w.lower() in KIND_KEYS]
        joins = [w for w in words if any(j in w.lower() for j in JOIN_WORDS)] or ["join"]
        says = [w for w in words if any(s in w.lower() for s in SAY_WORDS)] or ["message"]
        for name in names[:2]:
            for text in texts[:2]:
                found.append(Dialect([json.dumps({name: p})], json.dumps({name: p, text: m})))
                for kind in kinds[:1]:
                    for join in joins[:2]:
                        for say in says[:2]:
                            hello = json.dumps({kind: join, name: p, text: p})
                            found.append(
                                Dialect([hello], json.dumps({kind: say, name: p, text: m}))
                            )
    found = found[:10] + (_from_keys(code.tree) if code and code.tree else [])
    return [replace(dialect, source="code") for dialect in found]


def _from_keys(tree: ast.Module) -> list[Dialect]:
    """Des objets JSON faits de toutes les clés que lit le serveur : l'une d'elles, comparée à des
    mots, dit l'action ; les autres portent le pseudo à l'arrivée, et le message ensuite.
    """
    keys: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            keys.append(getattr(node.slice, "value", None))
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get" and node.args:
            keys.append(getattr(node.args[0], "value", None))
    keys = [key for key in dict.fromkeys(keys) if isinstance(key, str)]
    compared = [
        part.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare | ast.MatchValue)
        for part in (node.comparators if isinstance(node, ast.Compare) else [node.value])
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value
    ]
    actions = list(dict.fromkeys(compared))[:3]
    kinds = [key for key in keys if key.lower() in KIND_KEYS][:1]
    if not kinds or not 2 <= len(keys) <= 8:
        return []

    def made(action: str, word: str) -> str:
        return json.dumps({key: action if key in kinds else word for key in keys})

    return [
        Dialect([made(hello, PSEUDO)], made(say, MESSAGE))
        for hello in actions
        for say in actions
        if hello != say
    ]
