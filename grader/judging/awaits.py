"""Ce que le code dit d'un appel que l'exécution n'a pas vu attendre : un oubli, ou un accident."""

import ast
import sys
from collections.abc import Iterator

from grader.finding.code import Code
from grader.verdict import Event

# Ce à quoi l'on confie des coroutines, qui seront attendues.
WAITING = {"gather", "wait", "wait_for", "create_task", "ensure_future", "shield", "as_completed"}
GROUPS = (ast.Starred, ast.List, ast.Tuple, ast.Set, ast.ListComp, ast.GeneratorExp, ast.IfExp)


def forgotten(code: Code, event: Event) -> bool:
    """Vrai si le code n'attend pas cet appel, ou ne le montre pas.

    Une erreur survenue entre l'appel et son `await` n'est pas un oubli.
    """
    calls = calls_of(code, event)
    return not calls or not awaited(code).issuperset(calls)


def concerns_redis(code: Code, event: Event) -> bool:
    """Vrai si cet appel est de Redis, ou mène à Redis, ou si le code ne le montre pas."""
    calls = calls_of(code, event)
    theirs = about_redis(code) if calls and not event["library"] else set()
    return not theirs or any(words_in(call) & theirs for call in calls)


def calls_of(code: Code, event: Event) -> list[ast.Call]:
    """L'appel que ce fait raconte, dans ce script ; s'il en est d'autres à cette ligne, tous."""
    name, line = event["name"].rpartition(".")[2], event.get("line", 0)
    return [
        call
        for call in code.nodes(ast.Call)
        if event.get("file") == code.path.name
        and called(call) == name
        and call.lineno <= line <= (call.end_lineno or 0)
    ]


def called(call: ast.Call) -> str:
    return getattr(call.func, "attr", "") or getattr(call.func, "id", "")


def words_in(node: ast.AST) -> set[str]:
    """Les variables et les attributs nommés ici."""
    found = {getattr(part, "id", "") or getattr(part, "attr", "") for part in ast.walk(node)}
    return found - {""}


def awaited(code: Code) -> set[ast.Call]:
    """Les appels derrière un `await`, ou confiés à ce qui attend pour eux."""
    waited = [call for node in code.nodes(ast.Await) for call in handed(node.value)]
    for node in code.nodes(ast.Call):
        if called(node) in WAITING:
            waited += [call for argument in node.args for call in handed(argument)]
    return set(waited)


def handed(value: ast.AST) -> Iterator[ast.Call]:
    """Les appels que vaut cette expression, seule ou groupée : `[f(x) for x in y]`."""
    if isinstance(value, ast.Call):
        yield value
    elif isinstance(value, GROUPS):
        for part in ast.iter_child_nodes(value):
            yield from handed(part)


def about_redis(code: Code) -> set[str]:
    """Les noms par lesquels on parle à Redis : le client, et les fonctions qui s'en servent.

    Ce qui vient d'un module inconnu en est peut-être ; ce que Redis a rendu n'en est pas.
    """
    modules = {"redis"}
    for node in code.nodes(ast.Import, ast.ImportFrom):
        for alias in node.names:
            origin = (getattr(node, "module", "") or alias.name).partition(".")[0]
            if origin not in {*sys.stdlib_module_names, "websockets"}:
                modules.add(alias.asname or alias.name.partition(".")[0])
    known, before = modules, set[str]()
    while known != before:
        before, known = known, set(known)
        for node in code.nodes(ast.Assign, ast.withitem, ast.FunctionDef, ast.AsyncFunctionDef):
            value = getattr(node, "value", None) or getattr(node, "context_expr", node)
            found = words_in(value) & (modules if isinstance(value, ast.Await) else before)
            if found and isinstance(node, ast.Assign):
                known |= words_in(ast.Tuple(node.targets))
            elif found and isinstance(node, ast.withitem):
                known |= words_in(node.optional_vars) if node.optional_vars else set()
            elif found:
                known.add(node.name)
    return known
