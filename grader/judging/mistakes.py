"""Les fautes que l'on reconnaît : chacune mène à une question qui aide mieux qu'un corrigé.

Une faute reconnue n'a jamais fait échouer personne : elle explique un échec déjà constaté.
"""

import ast
import re
from collections.abc import Iterator, Sequence

from grader.finding.code import Code
from grader.verdict import Event, Mistake

Events = Sequence[Event]


def recognise(code: Code, check: str, output: str, events: Events) -> Mistake | None:
    """La faute la plus probable derrière l'échec de `check`, ou None.

    `output` est ce que le programme a écrit, `events` ce que le calque a noté.
    """
    kind = check.rpartition(".")[2]
    for finder, checks in FINDERS:
        if checks is None or kind in checks:
            if found := finder(code, output, events):
                return found
    return None


def syntax(code: Code, output: str, events: Events) -> Mistake | None:
    if code.tree is None and (found := re.search(r"line (\d+)\s*\n[\s\S]*?(\w*Error: .+)", output)):
        return "syntax", {"line": found[1], "error": found[2]}
    return None


def unawaited(code: Code, output: str, events: Events) -> Mistake | None:
    """Le calque a vu mourir une coroutine que personne n'attendait."""
    for event in events:
        if event.get("event") == "unawaited" and event.get("line"):
            return "unawaited", {"name": event["name"], "line": str(event["line"])}
    return None


def traceback(code: Code, output: str, events: Events) -> Mistake | None:
    """La dernière erreur partie d'une ligne du script."""
    pattern = rf'{re.escape(code.path.name)}", line (\d+)'
    lines = re.findall(pattern, output)
    errors = re.findall(r"^(\w+(?:Error|Exception)): ?(.*)$", output, re.M)
    # La trace d'un départ, que le correcteur a voulu : elle n'explique rien du reste.
    errors = [e for e in errors if e[1] != "unexpected end of stream" and "Reset" not in e[0]]
    if not lines or not errors:
        return None
    name, text = errors[-1]
    if "path" in text and "missing" in text:
        return "path", {"line": lines[-1]}
    if "'NoneType' object has no attribute 'decode'" in text:
        return "none_decode", {"line": lines[-1]}
    if re.search(r"'(bytes|str)' object has no attribute 'send'", text):
        return "send_on_key", {"line": lines[-1]}
    return "traceback", {"line": lines[-1], "error": f"{name}: {text}"}


def empty_end(code: Code, output: str, events: Events) -> Mistake | None:
    """`if message == b""` ou `if not message` : la fin d'une connexion TCP, pas WebSocket."""
    names = _received(code.tree) if code.tree else set()
    for node in ast.walk(code.tree) if code.tree else ():
        # `while message != ""` attend la fin ; `while message == ""` ne fait que redemander.
        operator = ast.NotEq if isinstance(node, ast.While) else ast.AST
        if isinstance(node, ast.While) or (isinstance(node, ast.If) and _gives_up(node)):
            if any(_is_empty(part, names, operator) for part in ast.walk(node.test)):
                return "empty_end", {"line": str(node.lineno)}
    return None


def _received(tree: ast.Module) -> set[str]:
    """Les variables qui contiennent ce qu'un client a envoyé, décodé ou non."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFor):
            names |= {part.id for part in ast.walk(node.target) if isinstance(part, ast.Name)}
        elif isinstance(node, ast.Assign):
            parts = list(ast.walk(node.value))
            if any(
                getattr(part, "attr", "") in ("recv", "read", "receive") for part in parts
            ) or any(isinstance(part, ast.Name) and part.id in names for part in parts):
                names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def _gives_up(node: ast.If) -> bool:
    """Vrai si la branche cesse d'écouter : un pseudo vide que l'on redemande n'en est pas une."""
    return any(
        isinstance(part, ast.Break | ast.Return | ast.Delete)
        or getattr(part, "attr", "") in ("close", "remove", "discard", "pop")
        for part in _parts(node.body)
    )


def _parts(statements: list[ast.stmt]) -> Iterator[ast.AST]:
    """Tout ce que contiennent ces instructions."""
    return (part for statement in statements for part in ast.walk(statement))


def _is_empty(test: ast.AST, names: set[str], operator: type) -> bool:
    """Vrai pour `name == ""`, `name == b""` ou `not name`, si `name` est l'un de ces noms.

    `operator` : la sorte d'opérateur à trouver (tous, si c'est `ast.AST`).
    """
    if isinstance(test, ast.Compare):
        values = [test.left, *test.comparators]
        empty = any(isinstance(v, ast.Constant) and v.value in ("", b"") for v in values)
        empty = empty and isinstance(test.ops[0], operator)
    else:
        refused = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        values = [test.operand] if isinstance(test, ast.UnaryOp) else []
        empty = refused and operator is ast.AST
    return empty and any(isinstance(v, ast.Name) and v.id in names for v in values)


def blocking_input(code: Code, output: str, events: Events) -> Mistake | None:
    """`input()` dans une coroutine, une fois connecté : tout s'arrête pendant la saisie."""
    for function in ast.walk(code.tree) if code.tree else ():
        if isinstance(function, ast.AsyncFunctionDef):
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            opened = [node.lineno for node in calls if "connect" in ast.unparse(node.func)]
            for node in calls:
                late = not opened or node.lineno > min(opened)
                if late and getattr(node.func, "id", "") == "input":
                    return "blocking_input", {"line": str(node.lineno)}
    if "prompt(" in code.text:
        line = code.text[: code.text.index("prompt(")].count("\n") + 1
        return "blocking_input", {"line": str(line)}
    return None


READS = ("hget", "hgetall", "hkeys", "hvals", "keys", "lrange", "scan_iter", "smembers")


def bytes_and_str(code: Code, output: str, events: Events) -> Mistake | None:
    """Ce que Redis rend (des octets) comparé à du texte."""
    if not code.tree or "redis" not in code.text or "decode_responses" in code.text:
        return None
    names = _from_redis(code.tree)
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Compare):
            ours = [part for part in (node.left, *node.comparators) if _is_one_of(part, names)]
            if len(ours) == 1 and not any(_is_none(part) for part in node.comparators):
                return "bytes", {}
    return None if "decode" in code.text else ("bytes", {})


def send_on_key(code: Code, output: str, events: Events) -> Mistake | None:
    """`.send()` sur ce que Redis a rendu, qui n'est que le nom d'une connexion."""
    names = _from_redis(code.tree, through=("decode",)) if code.tree else set()
    for node in ast.walk(code.tree) if names and code.tree else ():
        if (
            isinstance(node, ast.Attribute)
            and node.attr == "send"
            and _is_one_of(node.value, names)
        ):
            return "send_on_key", {"line": str(node.lineno)}
    return None


def _from_redis(tree: ast.Module, through: tuple[str, ...] = ()) -> set[str]:
    """Les variables qui valent ce qu'une lecture de Redis a rendu, ou l'un de ses éléments.

    `through` : les méthodes qui n'y changent rien.
    """
    names: set[str] = set()
    for node in sorted(ast.walk(tree), key=lambda node: getattr(node, "lineno", 0)):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            value, target = node.value, node.targets[0]
        elif isinstance(node, ast.For | ast.AsyncFor):
            value, target = node.iter, node.target
        else:
            continue
        while isinstance(value, ast.Await) or _method(value) in through:
            value = value.value if isinstance(value, ast.Await) else value.func.value  # type: ignore[attr-defined]
        if _is_one_of(value, names) or _method(value) in READS:
            names |= {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}
    return names


def _method(node: ast.expr) -> str:
    """Le nom de la méthode appelée, ou rien si ce n'est pas l'appel d'une méthode."""
    return getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""


def _is_one_of(node: ast.expr, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def dead_socket(code: Code, output: str, events: Events) -> Mistake | None:
    """Rien n'ôte du registre celui qui part."""
    removers = ("remove", "discard", "pop", "popitem", "clear")
    for node in ast.walk(code.tree) if code.tree else ():
        if isinstance(node, ast.Delete) or getattr(node, "attr", "") in removers:
            return None
    return ("dead_socket", {}) if code.tree else None


def swallowed(code: Code, output: str, events: Events) -> Mistake | None:
    """La fin d'une connexion rattrapée dans une boucle qui recommence : on ne la voit jamais."""
    for loop in ast.walk(code.tree) if code.tree else ():
        inside = loop.body if isinstance(loop, ast.While) else []
        tries = [node for node in inside if isinstance(node, ast.Try) and _receives(node)]
        for handler in (handler for node in tries for handler in node.handlers):
            if _starts_again(handler):
                return "swallowed", {"line": str(handler.lineno)}
    return None


def _receives(node: ast.Try) -> bool:
    return any(getattr(part, "attr", "") == "recv" for part in _parts(node.body))


def _starts_again(handler: ast.ExceptHandler) -> bool:
    """Vrai si l'on rattrape ici la fin d'une connexion, sans quitter la boucle."""
    caught = ast.unparse(handler.type) if handler.type else "Exception"
    leaving = ast.Break | ast.Return | ast.Raise
    return bool(re.search("ConnectionClosed|Exception", caught)) and not any(
        isinstance(part, leaving) for part in _parts(handler.body)
    )


def never_removed(code: Code, output: str, events: Events) -> Mistake | None:
    words = ("delete", "hdel", "srem", "zrem", "lrem", "unlink", "expire", "getdel")
    if code.tree and not any(word in code.text for word in words):
        return "never_removed", {}
    return None


def unused_redis(code: Code, output: str, events: Events) -> Mistake | None:
    return ("unused_import", {}) if "redis" in code.modules else None


def one_message(code: Code, output: str, events: Events) -> Mistake | None:
    """Ni boucle ni `async for` autour de `recv`."""
    for node in ast.walk(code.tree) if code.tree else ():
        if isinstance(node, ast.While | ast.AsyncFor | ast.For):
            return None
    return ("one_message", {}) if code.tree else None


FINDERS = (
    (syntax, None),
    (unawaited, None),
    (traceback, None),
    (blocking_input, ("receives", "serverdown")),
    (unused_redis, ("redis",)),
    (never_removed, ("remove",)),
    (send_on_key, ("chat",)),
    (bytes_and_str, ("chat",)),
    (swallowed, ("leave", "abrupt", "next", "remove")),
    (dead_socket, ("abrupt",)),
    (empty_end, ("leave", "abrupt", "next", "remove")),
    (one_message, ("next", "broadcast")),
)
