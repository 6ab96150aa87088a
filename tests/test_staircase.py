"""L'escalier lui-même : chaque script se lit seul, et ne diffère du précédent que par sa leçon."""

import ast
import difflib
import re
import sys

import pytest
from support.processes import ROOT

I_1, I_3, II_2, II_3 = SERVERS = (
    "ws_i_1_server.py",
    "ws_i_3_server.py",
    "ws_ii_2_server.py",
    "ws_ii_3_server.py",
)
PYTHON_SCRIPTS = (*SERVERS, "ws_i_1_client.py", "ws_i_3_client.py", "databases.py")
# Un script ne grandit pas sans qu'on le décide : la longueur du jour, et 5 % de marge.
LONGEST = {
    "ws_i_1_server.py": 96,
    "ws_i_1_client.py": 92,
    "ws_i_2_client.js": 71,
    "ws_i_2_client.html": 78,
    "ws_i_3_server.py": 357,
    "ws_i_3_client.py": 285,
    "ws_i_3_client.js": 227,
    "ws_i_3_client.html": 110,
    "ws_ii_2_server.py": 650,
    "ws_ii_3_server.py": 812,
    "databases.py": 283,
}
LONGEST_FUNCTION = 40  # lignes : un écran
# Ce que chaque étape change : (lignes ôtées et ajoutées, au plus ; fonctions réécrites).
STEPS = {
    (I_1, I_3): (350, {"main", "read_options", "until_stopped"}),
    (I_3, II_2): (
        490,
        {
            "enter",
            "say",
            "leave",
            "line",
            "chat",
            "welcome",
            "relay",
            "here",
            "pass_on",
            "read_options",
            "close",
            "main",
        },
    ),
    (II_2, II_3): (192, {"chat", "read_options", "main"}),
}
# Les bibliothèques de l'énoncé, et celles que ses étapes demandent.
LIBRARIES = {
    "aioconsole",
    "colored",
    "dotenv",
    "motor",
    "pymongo",
    "redis",
    "websockets",
}
each_python_script = pytest.mark.parametrize("script", PYTHON_SCRIPTS)
without_memory = pytest.mark.parametrize("script", [II_2, II_3])


def source(script: str) -> str:
    return (ROOT / script).read_text(encoding="utf-8")


def functions(script: str) -> dict[str, str]:
    """Le texte de chaque fonction et classe de premier niveau, dans l'ordre."""
    text = source(script)
    return {
        node.name: ast.get_source_segment(text, node)
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def difference(before: str, after: str) -> list[str]:
    """Ce que montre `diff` de l'un à l'autre."""
    lines = source(before).splitlines(), source(after).splitlines()
    return list(difflib.unified_diff(*lines, before, after, n=0, lineterm=""))


# --- Chaque script se lit seul ---------------------------------------------------------------


@each_python_script
def test_opens_with_how_to_run_it(script: str):
    """Le script s'ouvre par ce qu'il montre et la commande qui le lance."""
    docstring = ast.get_docstring(ast.parse(source(script)))
    assert f"python {script}" in docstring
    if script in SERVERS or "client" in script:
        assert docstring.startswith("TP7, étape ")
        assert "Ce que l'étape montre" in docstring and "À regarder" in docstring


@each_python_script
def test_stands_alone(script: str):
    """Le script n'importe que la bibliothèque standard et les paquets du TP, rien de voisin."""
    imported = set()
    for node in ast.walk(ast.parse(source(script))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module.split(".")[0])
    assert imported - sys.stdlib_module_names - LIBRARIES == set()


@each_python_script
def test_functions_fit_on_a_screen(script: str):
    """Chaque fonction se lit d'un coup d'œil."""
    for node in ast.walk(ast.parse(source(script))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{node.name} : {length} lignes"


@pytest.mark.parametrize("script", SERVERS)
def test_functions_say_what_they_do(script: str):
    """Dans un serveur, chaque fonction dit en une phrase ce qu'elle fait, sauf main()."""
    for node in ast.parse(source(script)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "main":
            assert ast.get_docstring(node), f"{node.name} n'a pas de docstring"


@pytest.mark.parametrize("script", LONGEST)
def test_length(script: str):
    """Le script garde sa longueur, et rien n'y reste à faire."""
    text = source(script)
    assert len(text.splitlines()) <= LONGEST[script]
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text)


# --- D'une étape à l'autre -------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_step_changes_only_its_lesson(before: str, after: str):
    """Une fonction du même nom a le même texte, sauf celles que l'étape réécrit."""
    old, new = functions(before), functions(after)
    rewritten = {name for name in old.keys() & new.keys() if old[name] != new[name]}
    expected = STEPS[before, after][1]
    texts = [
        "\n".join(difflib.unified_diff(old[name].split("\n"), new[name].split("\n"), lineterm=""))
        for name in rewritten - expected
    ]
    assert not texts, "\n".join(["réécrites sans que l'étape le demande :", *texts])
    assert rewritten == expected, "cette liste peut raccourcir"


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_step_is_small(before: str, after: str):
    """Le diff de deux étapes ne grandit pas."""
    changed = [line for line in difference(before, after) if re.match(r"[+-](?![+-]{2} ws)", line)]
    bound = STEPS[before, after][0]
    assert len(changed) <= bound, f"{len(changed)} lignes :\n" + "\n".join(changed)


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_same_order_of_functions(before: str, after: str):
    """Les fonctions communes à deux étapes se suivent dans le même ordre."""
    old, new = functions(before), functions(after)
    assert [name for name in old if name in new] == [name for name in new if name in old]


def test_setting_is_the_same_everywhere():
    """La règle des réglages s'écrit une seule fois, la même dans chaque script qui la suit."""
    texts = {functions(script).get("setting") for script in PYTHON_SCRIPTS[:-1]}
    assert len(texts) == 1 and None not in texts


# --- Sans variable globale -------------------------------------------------------------------


@without_memory
def test_no_registry_of_clients(script: str):
    """Ni dictionnaire, ni ensemble, ni liste qui dure : au premier niveau, que des constantes, et
    aucune variable globale que l'on réécrive."""
    tree = ast.parse(source(script))
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            assert constant(node.value), f"ligne {node.lineno} : {ast.unparse(node)}"
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            assert all(target.id.isupper() for target in targets), ast.unparse(node)
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Global | ast.Nonlocal), f"ligne {node.lineno}"
        if isinstance(node, ast.arguments):
            defaults = [*node.defaults, *filter(None, node.kw_defaults)]
            assert all(map(constant, defaults)), ast.unparse(node)
        if isinstance(node, ast.ClassDef):
            assert [type(one) for one in node.body] == [ast.Expr], f"{node.name} retient des choses"


def constant(node: ast.AST) -> bool:
    """Dit si une expression ne vaut que des textes et des nombres."""
    allowed = (
        ast.Constant,
        ast.JoinedStr,
        ast.FormattedValue,
        ast.Dict,
        ast.BinOp,
        ast.operator,
        ast.Name,
        ast.expr_context,
    )
    filled = not isinstance(node, ast.Dict) or bool(node.keys)
    return filled and all(isinstance(one, allowed) for one in ast.walk(node))


@without_memory
def test_two_attributes_per_connection(script: str):
    """Une connexion ne porte de nous que `session`, dès qu'elle est acceptée, et `live`, quand elle
    suit la salle ; le serveur, que sa place dans le flux."""
    attributes = {
        (target.value.id, target.attr)
        for node in ast.walk(ast.parse(source(script)))
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute)
    }
    ours = {(owner, name) for owner, name in attributes if owner != "options"}
    assert ours == {("websocket", "session"), ("websocket", "live"), ("server", "position")}
    assert not re.search(r"\b(setattr|__dict__|globals|vars)\b", source(script))


@without_memory
def test_global_of_the_step_before_is_gone(script: str):
    """`clients`, que l'étape I.3 tenait au premier niveau, n'existe plus."""
    names = {node.id for node in ast.walk(ast.parse(source(I_3))) if isinstance(node, ast.Name)}
    assert "clients" in names
    names = {node.id for node in ast.walk(ast.parse(source(script))) if isinstance(node, ast.Name)}
    assert "clients" not in names
