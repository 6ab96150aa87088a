"""Les arguments qu'un script réclame, et ce qu'un correcteur lui donne à la place."""

import ast
import re

from grader.finding.code import Code
from grader.running.questions import TOGETHER

NICKNAME = "\0pseudo"  # remplacé par le pseudo de qui entre
NAMELESS = "visiteur"  # le pseudo de qui n'en a pas encore
SPOKEN = "coucouducorrecteur"  # le message d'un client qui le veut en argument
LONGEST = 20_000  # caractères lus de ce qu'il a écrit avant de finir
HOST, PORT = "127.0.0.1", "8888"
# Ce que l'on essaie quand rien ne dit ce que sont les arguments, du plus courant au plus rare.
ARGUMENTS = (
    [HOST, PORT],
    [HOST, PORT, NICKNAME],
    [NICKNAME, HOST, PORT],
    [f"ws://{HOST}:{PORT}"],
    [f"ws://{HOST}:{PORT}", NICKNAME],
    [f"{HOST}:{PORT}"],
    [PORT],
    [NICKNAME],
    ["-a", HOST, "-p", PORT],
    ["--host", HOST, "--port", PORT],
    [f"--host={HOST}", f"--port={PORT}"],
)
# Le sens d'un argument d'après son nom : « hostname » est une adresse avant d'être un nom.
MEANINGS = (
    (re.compile(r"port", re.I), PORT),
    (re.compile(r"ur[il]", re.I), f"ws://{HOST}:{PORT}"),
    (re.compile(r"host|addr|adr|(?<![a-z])ip|serv|h[oô]te|machine", re.I), HOST),
    (re.compile(r"pseudo|nick|nom|name|user|login|qui", re.I), NICKNAME),
    (re.compile(r"mess|msg|text|phrase", re.I), SPOKEN),
)
DATABASES = {"redis": "6379", "mongo": "27017"}


def value_of(name: str) -> str | None:
    """Ce qu'il faut donner à l'argument de ce nom, ou None si ce nom ne dit rien."""
    meant = next((value for meaning, value in MEANINGS if meaning.search(name)), None)
    port = next((DATABASES[base] for base in DATABASES if base in name.lower()), None)
    if TOGETHER.search(name):
        return f"{HOST}:{port or PORT}"
    if port:
        return port if meant == PORT else HOST
    return meant


def required(output: str) -> list[str]:
    """Les arguments que argparse vient de réclamer, dans l'ordre de son message."""
    found = re.search(r"the following arguments are required: (.+)", output)
    arguments = []
    for wanted in found[1].split(", ") if found else []:
        option = wanted.split("/")[-1].strip()
        arguments += [option] * option.startswith("-") + [value_of(option) or NICKNAME]
    return arguments


def in_usage(output: str) -> list[str]:
    """Ceux d'une ligne « usage : script.py <ip> <port> [pseudo] », sans les facultatifs."""
    usage = r"(?:usage|utilisation)\s*:?[^\n]*?\.(?:py|m?js)\b(.*)"
    found = re.search(usage, output[-LONGEST:], re.I)
    arguments = []
    for wanted in re.findall(r"<[^<>]+>|\[[^\]]*\]|\S+", found[1]) if found else []:
        if wanted.startswith("-"):
            arguments.append(wanted)
        elif not wanted.startswith("["):
            arguments.append(value_of(wanted) or NICKNAME)
    return arguments if len(arguments) < 9 else []


def own_options(code: Code) -> list[str]:
    """L'option par laquelle argparse lui donnera le pseudo, et de quoi la remplir, ou rien."""
    for call in code.nodes(ast.Call):
        if getattr(call.func, "attr", "") == "add_argument" and not _is_flag(call):
            names = [getattr(argument, "value", None) for argument in call.args]
            longest = max((name for name in names if isinstance(name, str)), key=len, default="")
            if longest.startswith("-") and value_of(longest) == NICKNAME:
                return [longest, NICKNAME]
    return []


def _is_flag(call: ast.Call) -> bool:
    return any(word.arg == "action" for word in call.keywords)


def counted_in_code(code: Code) -> list[str]:
    """Autant d'arguments que le code en exige de `len(sys.argv)`, ou rien."""
    for node in code.nodes(ast.Compare):
        call, count = node.left, getattr(node.comparators[0], "value", None)
        counted = getattr(getattr(call, "func", None), "id", "") == "len" and _is_argv(call.args[0])
        if counted and isinstance(count, int):
            wanted = count - (not isinstance(node.ops[0], ast.Gt | ast.LtE))
            return ([HOST, PORT] + [NICKNAME] * wanted)[: min(wanted, 8)] if wanted > 0 else []
    return []


def named_in_code(code: Code) -> list[str]:
    """Les arguments que le code range dans des variables dont le nom dit le sens, ou rien."""
    names: dict[int, str] = {}
    for node in code.nodes(ast.Assign):
        names |= _assigned(node.targets[0], node.value)
    values = [value_of(names.get(rank, "")) for rank in range(1, max(names, default=0) + 1)]
    return [value for value in values if value] if all(values) else []


def _assigned(target: ast.expr, value: ast.expr) -> dict[int, str]:
    """Rang d'argument -> nom, pour une affectation."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = zip(target.elts, value.elts, strict=False)
        return {rank: name for pair in pairs for rank, name in _assigned(*pair).items()}
    if isinstance(target, ast.Tuple):  # `_, host, port = sys.argv`, `host, port = sys.argv[1:]`
        first = 1 if isinstance(getattr(value, "slice", None), ast.Slice) else 0
        ours = _is_argv(value) or (first and _is_argv(getattr(value, "value", value)))
        parts = [getattr(part, "id", "") for part in target.elts]
        return dict(enumerate(parts, first)) if ours else {}
    ranks = [
        part.slice.value
        for part in ast.walk(value)
        if isinstance(part, ast.Subscript)
        and _is_argv(part.value)
        and isinstance(part.slice, ast.Constant)
        and isinstance(part.slice.value, int)
    ]
    name = getattr(target, "id", "") or getattr(target, "attr", "")
    return {ranks[0]: name} if len(ranks) == 1 and name else {}


def _is_argv(node: ast.expr) -> bool:
    return "argv" in (getattr(node, "id", ""), getattr(node, "attr", ""))
