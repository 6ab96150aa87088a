"""Ce qu'un étudiant range ailleurs que chez lui : `asyncio.clients = {}`, un attribut de Redis.

Les noms viennent de son code, les valeurs de l'exécution : on ne regarde que ce qu'il a nommé.
"""

import ast
import gc
import time
import types

LONGEST = 1  # seconde
INDIRECT = {"setattr", "vars", "__dict__"}


def stored(file):
    """Les noms d'attributs que ce fichier affecte, directement ou par `setattr`."""
    with open(file, "rb") as source:
        nodes = list(ast.walk(ast.parse(source.read())))
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    names = {node.attr for node in attributes if isinstance(node.ctx, ast.Store)}
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    if INDIRECT & (used | {node.attr for node in attributes}):
        names |= {node.value for node in nodes if isinstance(node, ast.Constant)}
    return {name for name in names if isinstance(name, str) and not name.startswith("__")}


def put_elsewhere(files, is_own, usual):
    """(nom lisible, valeur) de chaque attribut nommé dans ces fichiers et posé sur autre chose.

    `is_own` dit de quoi l'on s'occupe ailleurs, `usual` les attributs qu'une classe se donne.
    """
    names = set()
    for file in files:
        try:
            names |= stored(file)
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue
    begin = time.monotonic()
    for thing in gc.get_objects() if names else ():
        if time.monotonic() - begin > LONGEST:
            return
        try:
            held = object.__getattribute__(thing, "__dict__")
            if held.keys().isdisjoint(names) or is_own(thing):
                continue
            named = isinstance(thing, (type, types.ModuleType, types.FunctionType))
            label = thing.__name__ if named else type(thing).__qualname__
            for name in (names & held.keys()) - (set() if named else usual(type(thing))):
                yield f"{label}.{name}", held[name]
        except Exception:  # un objet qui ne se laisse pas regarder
            continue
