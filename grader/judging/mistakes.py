"""Les fautes que l'on reconnaît : chacune mène à une question qui aide mieux qu'un corrigé.

Une faute reconnue n'a jamais fait échouer personne : elle explique un échec déjà constaté.
"""

import ast
import re
from collections.abc import Sequence
from contextlib import suppress

from grader.finding.code import Code, parts
from grader.judging.awaits import forgotten
from grader.verdict import Event, Mistake

LONGEST = 20_000  # caractères lus de ce qu'un programme a écrit
ENDS = ("leave", "abrupt", "next", "remove")
READS = ("hget", "hgetall", "hkeys", "hvals", "keys", "lrange", "scan_iter", "smembers")
REMOVES = ("remove", "discard", "pop", "popitem", "clear")
ERASES = ("delete", "hdel", "srem", "zrem", "lrem", "unlink", "expire", "getdel")


def recognise(code: Code, check: str, output: str, events: Sequence[Event]) -> Mistake | None:
    """La faute la plus probable derrière l'échec de `check`, ou None.

    `output` est ce que le programme a écrit, `events` ce que le calque a noté.
    """
    output = output[-LONGEST:]
    found = syntax(code, output) or unawaited(code, events) or traceback(code, output)
    kind = check.rpartition(".")[2]
    finders = (finder for finder, checks in FINDERS if kind in checks)
    with suppress(RecursionError):  # un code écrit pour cela : son échec n'est pas expliqué
        return found or next(filter(None, (finder(code) for finder in finders)), None)
    return None


# --- D'après l'exécution --------------------------------------------------------------------------


def syntax(code: Code, output: str) -> Mistake | None:
    found = re.search(r"line (\d+)\s*\n[\s\S]*?(\w*Error: .+)", output) if not code.tree else None
    return ("syntax", {"line": found[1], "error": found[2]}) if found else None


def unawaited(code: Code, events: Sequence[Event]) -> Mistake | None:
    """Le calque a vu mourir une coroutine que personne n'attendait, ni le code."""
    for event in events:
        if event.get("event") == "unawaited" and event.get("line") and forgotten(code, event):
            return "unawaited", {"name": event["name"], "line": str(event["line"])}
    return None


def traceback(code: Code, output: str) -> Mistake | None:
    """La dernière erreur partie d'une ligne du script."""
    lines = re.findall(rf'{re.escape(code.path.name)}", line (\d+)', output)
    errors = re.findall(r"^(\w+(?:Error|Exception)): ?(.*)$", output, re.M)
    # La trace d'un départ, que le correcteur a voulu : elle n'explique rien du reste.
    errors = [e for e in errors if e[1] != "unexpected end of stream" and "Reset" not in e[0]]
    if not lines or not errors:
        return None
    (name, text), line = errors[-1], {"line": lines[-1]}
    if "path" in text and "missing" in text:
        return "path", line
    if "'NoneType' object has no attribute 'decode'" in text:
        return "none_decode", line
    if re.search(r"'(bytes|str)' object has no attribute 'send'", text):
        return "send_on_key", line
    return "traceback", line | {"error": f"{name}: {text}"}


# --- D'après le code ------------------------------------------------------------------------------


def empty_end(code: Code) -> Mistake | None:
    """`if message == b""` ou `if not message` : la fin d'une connexion TCP, pas WebSocket."""
    names = _received(code)
    for node in code.nodes(ast.While, ast.If):
        # `while message != ""` attend la fin ; `while message == ""` ne fait que redemander.
        looping = isinstance(node, ast.While)
        if looping or _gives_up(node):
            if any(_is_empty(part, names, looping) for part in ast.walk(node.test)):
                return "empty_end", {"line": str(node.lineno)}
    return None


def _received(code: Code) -> set[str]:
    """Les variables qui contiennent ce qu'un client a envoyé, décodé ou non."""
    found: set[str] = set()
    for node in code.nodes(ast.AsyncFor, ast.Assign):
        if isinstance(node, ast.AsyncFor):
            found |= names_in(node.target)
        elif _calls(node.value, "recv", "read", "receive") or names_in(node.value) & found:
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def names_in(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _calls(node: ast.AST, *methods: str) -> bool:
    return any(getattr(part, "attr", "") in methods for part in ast.walk(node))


def _gives_up(node: ast.If) -> bool:
    """Vrai si la branche cesse d'écouter : un pseudo vide que l'on redemande n'en est pas une."""
    leaving = ast.Break | ast.Return | ast.Delete
    gone = ("close", "remove", "discard", "pop")
    return any(isinstance(p, leaving) or getattr(p, "attr", "") in gone for p in parts(node.body))


def _is_empty(test: ast.AST, names: set[str], looping: bool) -> bool:
    """Vrai pour `name == ""`, `name == b""` ou `not name`, si `name` est l'un de ces noms ; dans la
    condition d'une boucle, seulement pour `name != ""`.
    """
    if isinstance(test, ast.Compare):
        values = [test.left, *test.comparators]
        empty = any(isinstance(v, ast.Constant) and v.value in ("", b"") for v in values)
        empty = empty and (not looping or isinstance(test.ops[0], ast.NotEq))
    elif isinstance(test, ast.UnaryOp):
        values, empty = [test.operand], isinstance(test.op, ast.Not) and not looping
    else:
        return False
    return empty and any(_is_one_of(value, names) for value in values)


def blocking_input(code: Code) -> Mistake | None:
    """`input()` dans une coroutine, une fois connecté : tout s'arrête pendant la saisie."""
    for function in code.nodes(ast.AsyncFunctionDef):
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        opened = [node.lineno for node in calls if "connect" in ast.unparse(node.func)]
        for node in calls:
            late = not opened or node.lineno > min(opened)
            if late and getattr(node.func, "id", "") == "input":
                return "blocking_input", {"line": str(node.lineno)}
    before, asks, _ = code.text.partition("prompt(")
    return ("blocking_input", {"line": str(before.count("\n") + 1)}) if asks else None


def bytes_and_str(code: Code) -> Mistake | None:
    """Ce que Redis rend (des octets) comparé à du texte."""
    if not code.tree or "redis" not in code.text or "decode_responses" in code.text:
        return None
    names = _from_redis(code)
    for node in code.nodes(ast.Compare):
        ours = [part for part in (node.left, *node.comparators) if _is_one_of(part, names)]
        none = any(
            isinstance(part, ast.Constant) and part.value is None for part in node.comparators
        )
        if len(ours) == 1 and not none:
            return "bytes", {}
    return None if "decode" in code.text else ("bytes", {})


def send_on_key(code: Code) -> Mistake | None:
    """`.send()` sur ce que Redis a rendu, qui n'est que le nom d'une connexion."""
    names = _from_redis(code, through=("decode",))
    for node in code.nodes(ast.Attribute):
        if node.attr == "send" and _is_one_of(node.value, names):
            return "send_on_key", {"line": str(node.lineno)}
    return None


def _from_redis(code: Code, through: tuple[str, ...] = ()) -> set[str]:
    """Les variables qui valent ce qu'une lecture de Redis a rendu, ou l'un de ses éléments.

    `through` : les méthodes qui n'y changent rien.
    """
    names: set[str] = set()
    for node in sorted(code.nodes(ast.Assign, ast.For, ast.AsyncFor), key=lambda n: n.lineno):
        assigned = isinstance(node, ast.Assign)
        value, target = (node.value, node.targets[0]) if assigned else (node.iter, node.target)
        while isinstance(value, ast.Await) or _method(value) in through:
            value = value.value if isinstance(value, ast.Await) else value.func.value
        if _is_one_of(value, names) or _method(value) in READS:
            names |= names_in(target)
    return names


def _method(node: ast.expr) -> str:
    """Le nom de la méthode appelée, ou rien si ce n'est pas l'appel d'une méthode."""
    return getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""


def _is_one_of(node: ast.expr, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def dead_socket(code: Code) -> Mistake | None:
    """Rien n'ôte du registre celui qui part."""
    removed = any(node.attr in REMOVES for node in code.nodes(ast.Attribute))
    return None if not code.tree or removed or code.nodes(ast.Delete) else ("dead_socket", {})


def swallowed(code: Code) -> Mistake | None:
    """La fin d'une connexion rattrapée dans une boucle qui recommence : on ne la voit jamais."""
    for loop in code.nodes(ast.While):
        tries = [node for node in loop.body if isinstance(node, ast.Try)]
        for node in (node for node in tries if any(_calls(one, "recv") for one in node.body)):
            for handler in filter(_starts_again, node.handlers):
                return "swallowed", {"line": str(handler.lineno)}
    return None


def _starts_again(handler: ast.ExceptHandler) -> bool:
    """Vrai si l'on rattrape ici la fin d'une connexion, sans quitter la boucle."""
    caught = ast.unparse(handler.type) if handler.type else "Exception"
    leaves = any(isinstance(p, ast.Break | ast.Return | ast.Raise) for p in parts(handler.body))
    return bool(re.search("ConnectionClosed|Exception", caught)) and not leaves


def never_removed(code: Code) -> Mistake | None:
    erases = any(word in code.text for word in ERASES)
    return ("never_removed", {}) if code.tree and not erases else None


def unused_redis(code: Code) -> Mistake | None:
    return ("unused_import", {}) if "redis" in code.modules else None


def one_message(code: Code) -> Mistake | None:
    """Ni boucle ni `async for` autour de `recv`."""
    loops = code.nodes(ast.While, ast.AsyncFor, ast.For)
    return ("one_message", {}) if code.tree and not loops else None


FINDERS = (
    (blocking_input, ("receives", "serverdown")),
    (unused_redis, ("redis",)),
    (never_removed, ("remove",)),
    (send_on_key, ("chat",)),
    (bytes_and_str, ("chat",)),
    (swallowed, ENDS),
    (dead_socket, ("abrupt",)),
    (empty_end, ENDS),
    (one_message, ("next", "broadcast")),
)
