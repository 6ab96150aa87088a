"""Reconnaître, sans le lancer, un script écrit pour les vieilles versions de websockets.

La bibliothèque garde ses versions d'avant 14 dans `websockets.legacy` : un script qui porte un
signe ancien, et aucun nouveau, y tourne tel quel. Chaque signe donne sa remarque.
"""

import ast
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from grader.finding.code import Code
from grader.finding.handin import HandIn
from grader.verdict import Note, Remark

OPTIONS = {"timeout", "extra_headers", "klass", "loop", "read_limit", "create_protocol",
           "legacy_recv", "ws_handler"}  # fmt: skip
ATTRIBUTES = {"open", "closed", "ws_server", "request_headers", "response_headers"}
OF_A_CONNECTION = {"path", "origin", "host", "port"}  # trop courants ailleurs
OPENERS = ("serve", "unix_serve", "connect", "unix_connect")
NEW = {"request", "connections"}
OLD_PLACES = ("websockets.server", "websockets.client", "websockets.legacy")
OLD_NAMES = {"WebSocketServerProtocol", "WebSocketClientProtocol", "WebSocketServer"}
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Finder = Callable[["Script"], Iterator[Note]]


def obsolete(hand_in: HandIn, path: Path) -> list[Note]:
    """Ce qu'il a d'ancien, une remarque par signe ; rien s'il faut le lancer sur la nouvelle."""
    scripts = [Script(code) for code in with_neighbours(hand_in, path)]
    if any(script.is_new for script in scripts):
        return []
    found: list[Note] = []
    for finder in FINDERS:
        notes = (note for script in scripts for note in finder(script))
        found += [note for note in notes if note not in found]
    return found


def with_neighbours(hand_in: HandIn, path: Path) -> list[Code]:
    """Ce script, et les modules du même rendu qu'il importe, de proche en proche."""
    modules = [file for file in hand_in.files if file.suffix == ".py"]
    waiting, seen = [path], [path]
    while waiting:
        script = waiting.pop()
        names = set(_imported(Code(hand_in.folder / script)))
        for name in names:
            same = [file for file in modules if file.stem == name]
            nearest = max(same, key=lambda file: _shared(file, script), default=script)
            if nearest not in seen:
                waiting.append(nearest)
                seen.append(nearest)
    return [Code(hand_in.folder / one) for one in seen]


def _shared(one: Path, other: Path) -> int:
    return len(os.path.commonprefix([one.parent.parts, other.parent.parts]))


def _imported(code: Code) -> Iterator[str]:
    """Chaque mot d'un import : « tp7 », « commun » et « reglages »."""
    for node in code.nodes(ast.Import, ast.ImportFrom):
        names = [alias.name for alias in node.names]
        for name in [*names, getattr(node, "module", None) or ""]:
            yield from name.split(".")


class Script:
    """Un script, et ce qu'y désignent les noms de websockets."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.names: dict[str, str] = {}  # nom du script -> ce qu'il désigne, en entier
        for node in code.nodes(ast.Import):
            for alias in node.names:
                self.names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        for node in code.nodes(ast.ImportFrom):
            for alias in node.names:
                self.names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        self.own = {
            node.attr for node in code.nodes(ast.Attribute) if isinstance(node.ctx, ast.Store)
        } | {node.name for node in code.nodes(ast.FunctionDef, ast.AsyncFunctionDef)}
        self.functions: dict[str, Function] = {
            node.name: node for node in code.nodes(ast.FunctionDef, ast.AsyncFunctionDef)
        }

    def meaning(self, node: ast.expr) -> str:
        """Le nom entier que désigne cette expression : « websockets.server.serve », ou rien."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, "")
        if isinstance(node, ast.Attribute) and (owner := self.meaning(node.value)):
            return f"{owner}.{node.attr}"
        return ""

    def openings(self) -> list[ast.Call]:
        """Les appels à `serve()` et à `connect()` de websockets, hors de sa forme à fils."""
        calls: list[ast.Call] = self.code.nodes(ast.Call)
        return [call for call in calls if self._opens(self.meaning(call.func))]

    def _opens(self, name: str) -> bool:
        ours = name.startswith("websockets.") and not name.startswith("websockets.sync.")
        return ours and name.rpartition(".")[2] in OPENERS

    def handlers(self) -> Iterator[tuple[Function, list[str]]]:
        """Les fonctions données à `serve()`, et leurs paramètres que la bibliothèque remplit."""
        for call in self.openings():
            named = [word.value for word in call.keywords if word.arg in ("handler", "ws_handler")]
            for node in [*named, *call.args][:1]:
                given, already = 0, set()
                if isinstance(node, ast.Call) and node.args:  # functools.partial(chat, salle)
                    given, already = len(node.args) - 1, {word.arg for word in node.keywords}
                    node = node.args[0]
                name = getattr(node, "attr", getattr(node, "id", ""))
                function = node if isinstance(node, ast.Lambda) else self.functions.get(name)
                if function:
                    filled = required(function)[given:]
                    yield function, [one for one in filled if one not in already]

    def attributes(self) -> Iterator[ast.Attribute]:
        """Les attributs lus, ni appelés, ni d'un module, ni posés par le script lui-même."""
        called = {id(call.func) for call in self.code.nodes(ast.Call)}
        for node in self.code.nodes(ast.Attribute):
            theirs = node.attr in self.own or self.meaning(node.value)
            if not theirs and id(node) not in called and isinstance(node.ctx, ast.Load):
                yield node

    @property
    def is_new(self) -> bool:
        """Vrai s'il porte un signe de la nouvelle interface."""
        keywords = {word.arg for call in self.openings() for word in call.keywords}
        return (
            "additional_headers" in keywords
            or any("websockets.asyncio" in name for name in self.names.values())
            or any(node.attr in NEW for node in self.attributes())
        )


def required(function: Function) -> list[str]:
    """Ses paramètres sans valeur par défaut."""
    arguments = function.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    names = names[: len(names) - len(arguments.defaults)]
    return [name for name in names if name not in ("self", "cls")]


def two_parameters(script: Script) -> Iterator[Note]:
    """Une fonction `(websocket, path)` : le second paramètre a disparu."""
    for function, filled in script.handlers():
        if len(filled) == 2:
            yield Remark.OBSOLETE_PATH, {"line": function.lineno}


def outside_the_loop(script: Script) -> Iterator[Note]:
    """`serve()` appelé hors d'une coroutine, pour `run_until_complete`."""
    coroutines = script.code.nodes(ast.AsyncFunctionDef)
    inside = {id(part) for coroutine in coroutines for part in ast.walk(coroutine)}
    for call in script.openings():
        if script.meaning(call.func).endswith("serve") and id(call) not in inside:
            yield Remark.OBSOLETE_START, {"line": call.lineno}


def old_options(script: Script) -> Iterator[Note]:
    for call in script.openings():
        for word in call.keywords:
            if word.arg in OPTIONS:
                yield Remark.OBSOLETE_OPTION, {"name": word.arg}


def old_attributes(script: Script) -> Iterator[Note]:
    connections = {filled[0] for _, filled in script.handlers() if filled}
    for node in script.attributes():
        ours = getattr(node.value, "id", None) in connections
        if node.attr in ATTRIBUTES or (ours and node.attr in OF_A_CONNECTION):
            yield Remark.OBSOLETE_ATTRIBUTE, {"name": node.attr}


def old_names(script: Script) -> Iterator[Note]:
    """Ce qui s'importe de l'ancienne interface, ou porte un de ses noms."""
    read = [script.meaning(node) for node in script.code.nodes(ast.Attribute)]
    for name in dict.fromkeys([*script.names.values(), *read]):
        last = name.rpartition(".")[2]
        place = name.startswith(OLD_PLACES) and last in (*OPENERS, "broadcast")
        if place or (name.startswith("websockets.") and last in OLD_NAMES):
            yield Remark.OBSOLETE_NAME, {"name": name}


FINDERS: tuple[Finder, ...] = (
    two_parameters,
    outside_the_loop,
    old_options,
    old_attributes,
    old_names,
)
