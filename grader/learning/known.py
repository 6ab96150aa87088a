"""Les dialectes que l'on rencontre, et ceux que le code d'un serveur laisse deviner."""

import ast
import json
import re
from dataclasses import replace

from grader.finding.handin import HandIn
from grader.learning.dialect import MESSAGE, PSEUDO, Dialect, Source
from grader.learning.wire import Frame


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
JOIN_ACTIONS = ("join", "hello", "login", "connect", "register", "pseudo", "enter", "init", "arriv",
              "bonjour", "nick", "auth", "rejoin", "set")  # fmt: skip
SAY_ACTIONS = ("message", "msg", "chat", "say", "send", "text", "talk", "dire", "parle")


def from_code(hand_in: HandIn, role: str) -> list[Dialect]:
    """Les dialectes que les chaînes écrites dans le serveur laissent deviner."""
    code = hand_in.code(role)
    words = list(dict.fromkeys(code.constants()))
    found: list[Dialect] = []
    p, m = PSEUDO, MESSAGE
    prefixes = [w for w in words if re.fullmatch(r"/?\w{1,12}\s?[|:;,# ]+", w) or w.endswith("|")]
    for prefix in prefixes[:4]:
        found.append(Dialect([f"{prefix}{p}"], m))
        for other in prefixes[:4]:
            if other != prefix:
                found.append(Dialect([f"{prefix}{p}"], f"{other}{m}"))
    if "json" in code.text:
        names = [w for w in words if w.lower() in NAME_KEYS] or ["pseudo"]
        texts = [w for w in words if w.lower() in TEXT_KEYS and w not in names] or ["message"]
        kinds = [w for w in words if w.lower() in KIND_KEYS]
        joins = [w for w in words if any(j in w.lower() for j in JOIN_ACTIONS)] or ["join"]
        says = [w for w in words if any(s in w.lower() for s in SAY_ACTIONS)] or ["message"]
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
    found = found[:10] + (_from_keys(code.tree) if code.tree else [])
    return [replace(dialect, source=Source.CODE) for dialect in found]


def _from_keys(tree: ast.Module) -> list[Dialect]:
    """Des objets JSON faits de toutes les clés que lit le serveur : l'une d'elles, comparée à des
    mots, dit l'action ; les autres portent le pseudo à l'arrivée, et le message ensuite.
    """
    read: list[object] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            read.append(getattr(node.slice, "value", None))
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get" and node.args:
            read.append(getattr(node.args[0], "value", None))
    keys = [key for key in dict.fromkeys(read) if isinstance(key, str)]
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
