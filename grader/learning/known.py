"""Les dialectes que l'on rencontre, et ceux que le code d'un serveur laisse deviner."""

import ast
import json
import re
from dataclasses import replace
from itertools import permutations, product

from grader.finding.code import Code
from grader.finding.handin import HandIn
from grader.learning.dialect import MESSAGE, PSEUDO, Dialect, Source
from grader.learning.wire import Frame


def known() -> list[Dialect]:
    """Ceux que l'on rencontre, du plus courant au plus rare ; II.3 n'essaie que les premiers."""
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


SPLITS = ("split", "partition", "rsplit")
NAME_KEYS = ("pseudo", "username", "user", "name", "nom", "nick", "nickname", "login", "from",
             "author", "sender", "auteur", "joueur")  # fmt: skip
TEXT_KEYS = ("message", "msg", "text", "texte", "content", "contenu", "data", "body", "payload")
KIND_KEYS = ("type", "action", "cmd", "command", "event", "kind", "op", "t")
JOIN_ACTIONS = ("join", "hello", "login", "connect", "register", "pseudo", "enter", "init", "arriv",
              "bonjour", "nick", "auth", "rejoin", "set")  # fmt: skip
SAY_ACTIONS = ("message", "msg", "chat", "say", "send", "text", "talk", "dire", "parle")


def from_code(hand_in: HandIn, role: str) -> list[Dialect]:
    """Les dialectes que les chaînes écrites dans le serveur laissent deviner."""
    code = hand_in.code(role)
    words = list(dict.fromkeys(code.constants()))
    found = _prefixed(words) + (_from_words(words) if "json" in code.text else [])
    found = [*_spoken(code)[:6], *found[:10], *_from_keys(code)]
    return [replace(dialect, source=Source.CODE) for dialect in found]


def compared(code: Code) -> list[str]:
    """Les mots auxquels le code compare ce qu'il reçoit."""
    sides = [side for node in code.nodes(ast.Compare) for side in node.comparators]
    sides += [node.value for node in code.nodes(ast.MatchValue)]
    words = [side.value for side in sides if isinstance(side, ast.Constant)]
    return list(dict.fromkeys(word for word in words if isinstance(word, str) and word))


def _spoken(code: Code) -> list[Dialect]:
    """« NICK ana », puis « PRIVMSG bonjour » : des mots comparés, et ce qui sépare du reste."""
    calls = [node for node in code.nodes(ast.Call) if getattr(node.func, "attr", "") in SPLITS]
    cuts = [getattr(node.args[0], "value", None) if node.args else " " for node in calls]
    words = [word for word in compared(code) if re.fullmatch(r"/?\w{1,12}", word)][:3]
    return [
        Dialect([hello + cut + PSEUDO], say + cut + MESSAGE)
        for cut in dict.fromkeys(cut for cut in cuts if isinstance(cut, str) and len(cut) < 3)
        for hello, say in permutations(words, 2)
    ]


def _prefixed(words: list[str]) -> list[Dialect]:
    """« Hello|ana », puis un message nu, ou précédé d'un autre mot."""
    first = [
        w for w in words if re.fullmatch(r"/?\w{1,12}\s?[|:;,# ]+", w) or re.fullmatch(r".+\|", w)
    ][:4]
    return [
        Dialect([hello + PSEUDO], say + MESSAGE)
        for hello in first
        for say in ("", *(other for other in first if other != hello))
    ]


def _from_words(words: list[str]) -> list[Dialect]:
    """Des objets JSON aux clés les plus courantes, quand le serveur les écrit."""
    names = [w for w in words if w.lower() in NAME_KEYS] or ["pseudo"]
    texts = [w for w in words if w.lower() in TEXT_KEYS and w not in names] or ["message"]
    kinds = [w for w in words if w.lower() in KIND_KEYS][:1]
    joins = [w for w in words if any(j in w.lower() for j in JOIN_ACTIONS)] or ["join"]
    says = [w for w in words if any(s in w.lower() for s in SAY_ACTIONS)] or ["message"]
    found = []
    for name, text in product(names[:2], texts[:2]):
        hello, said = {name: PSEUDO}, {name: PSEUDO, text: MESSAGE}
        found.append(Dialect([json.dumps(hello)], json.dumps(said)))
        for kind, join, say in product(kinds, joins[:2], says[:2]):
            hello = {kind: join, name: PSEUDO, text: PSEUDO}
            found.append(Dialect([json.dumps(hello)], json.dumps({kind: say} | said)))
    return found


def _from_keys(code: Code) -> list[Dialect]:
    """Des objets JSON faits de toutes les clés que lit le serveur : l'une d'elles, comparée à des
    mots, dit l'action ; les autres portent le pseudo à l'arrivée, et le message ensuite.
    """
    read = [getattr(n.slice, "value", None) for n in code.nodes(ast.Subscript) if _is_read(n)]
    asked = [n for n in code.nodes(ast.Call) if getattr(n.func, "attr", "") == "get" and n.args]
    read += [getattr(node.args[0], "value", None) for node in asked]
    keys = [key for key in dict.fromkeys(read) if isinstance(key, str)]
    actions = compared(code)[:3]
    kinds = [key for key in keys if key.lower() in KIND_KEYS][:1]
    if not kinds or not 2 <= len(keys) <= 8:
        return []

    def made(action: str, word: str) -> str:
        return json.dumps({key: action if key in kinds else word for key in keys})

    return [
        Dialect([made(hello, PSEUDO)], made(say, MESSAGE))
        for hello, say in permutations(actions, 2)
    ]


def _is_read(node: ast.Subscript) -> bool:
    return isinstance(node.ctx, ast.Load)
