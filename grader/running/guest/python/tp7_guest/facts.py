"""Ce que le programme d'un étudiant garde en mémoire sur ses clients, quels que soient les noms.

On part des variables globales de ses modules, des variables capturées par ses fonctions, des
attributs de ses classes et de ses objets, et l'on suit ses conteneurs. On ne lit ni l'intérieur des
bibliothèques, ni les variables locales : un `for key in keys` lit Redis, il ne retient rien.
"""

import collections
import functools
import gc
import json
import sys
import types

SCALARS = (str, bytes, int, float, complex, bool, type(None))
MAX_OBJECTS = 50_000


def registries(pseudos, is_theirs):
    """Les conteneurs de clients : une liste de dict(path, kind, pseudos, sockets, size).

    `kind` : "data" (des données de clients), "sockets" (des connexions seules) ou "attributes"
    (des attributs posés sur les connexions de la bibliothèque).
    """
    wanted = {pseudo.casefold() for pseudo in pseudos}
    connections = connection_types()
    found, seen = {}, set()
    for path, root in roots(is_theirs):
        for place, container in containers(root, path, seen, connections):
            facts = describe(container, wanted, connections)
            if facts:
                found.setdefault(place, {"path": place, **facts})
    attributes = own_attributes(connections)
    if attributes:
        found["attributes"] = {
            "path": ", ".join(attributes),
            "kind": "attributes",
            "pseudos": 0,
            "sockets": 0,
            "size": len(attributes),
        }
    return list(found.values())


def connection_types():
    names = (
        ("websockets.asyncio.connection", "Connection"),
        ("websockets.legacy.protocol", "WebSocketCommonProtocol"),
        ("websockets.sync.connection", "Connection"),
    )
    modules = ((sys.modules.get(module), name) for module, name in names)
    return tuple(getattr(module, name) for module, name in modules if module)


def roots(is_theirs):
    """Les points de départ : (nom lisible, objet)."""
    theirs = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(module, types.ModuleType) and file and is_theirs(file):
            theirs[name] = module
            for variable, value in list(vars(module).items()):
                if not variable.startswith("__"):
                    yield variable, value
    for thing in gc.get_objects():
        try:
            if isinstance(thing, types.FunctionType) and is_theirs(thing.__code__.co_filename):
                names = thing.__code__.co_freevars
                for name, cell in zip(names, thing.__closure__ or (), strict=False):
                    try:
                        yield f"{name} ({thing.__qualname__})", cell.cell_contents
                    except ValueError:
                        pass
                for value in (*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()):
                    yield f"{thing.__qualname__}()", value
                for name, value in list(vars(thing).items()):
                    yield f"{thing.__qualname__}.{name}", value
            elif isinstance(thing, functools.partial):
                target = getattr(thing.func, "__code__", None)
                if target and is_theirs(target.co_filename):
                    for value in (*thing.args, *thing.keywords.values()):
                        yield f"partial({thing.func.__qualname__})", value
            elif isinstance(thing, type) and thing.__module__ in theirs:
                for name, value in list(vars(thing).items()):
                    if not name.startswith("__"):
                        yield f"{thing.__qualname__}.{name}", value
            elif type(thing).__module__ in theirs and not isinstance(thing, types.ModuleType):
                yield type(thing).__qualname__, thing
        except ReferenceError:
            continue


def is_container(thing):
    return isinstance(
        thing, (dict, list, set, frozenset, tuple, collections.deque, types.MappingProxyType)
    ) or type(thing).__name__ in (
        "WeakSet",
        "WeakKeyDictionary",
        "WeakValueDictionary",
        "UserDict",
        "UserList",
    )


def children(thing, connections):
    """Ce que contient un conteneur ou un objet de l'étudiant, avec un nom de chemin."""
    if isinstance(thing, SCALARS) or isinstance(thing, connections):
        return []
    if is_container(thing):
        if hasattr(thing, "items"):
            return [part for pair in list(thing.items()) for part in pair]
        return list(thing)
    if type(thing).__module__ in sys.modules and owned(thing):
        values = list(getattr(thing, "__dict__", {}).values())
        for slot in getattr(type(thing), "__slots__", ()):
            values.append(getattr(thing, slot, None))
        return values
    return []


def owned(thing):
    module = sys.modules.get(type(thing).__module__)
    file = getattr(module, "__file__", None) or ""
    return (
        bool(file)
        and "site-packages" not in file
        and not file.startswith((sys.base_prefix, sys.prefix))
    )


def containers(root, path, seen, connections):
    """Tous les conteneurs atteints depuis `root`, chacun une fois."""
    waiting = [(path, root)]
    while waiting and len(seen) < MAX_OBJECTS:
        place, thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, (*SCALARS, types.ModuleType, type)):
            continue
        seen.add(id(thing))
        if isinstance(thing, connections):
            continue
        if is_container(thing):
            yield place, thing
        elif owned(thing):
            for name, value in list(getattr(thing, "__dict__", {}).items()):
                waiting.append((f"{place}.{name}", value))
            continue
        for child in children(thing, connections):
            waiting.append((place, child))


def describe(container, wanted, connections):
    """Ce que le conteneur sait des clients, ou None s'il n'en connaît pas au moins deux."""
    if isinstance(container, tuple):  # immuable : il n'enregistre personne
        return None
    sockets, names, keys = set(), set(), set()
    mapping = hasattr(container, "items")
    for entry in list(container.items()) if mapping else list(container):
        key, value = entry if mapping else (None, entry)
        if mapping and isinstance(value, connections):
            # Une connexion seule, rangée sous une clé : il en faut bien une.
            sockets.add(id(value))
            keys |= pseudos_in(key, wanted, connections)
            continue
        for part in (key, value):
            sockets |= sockets_in(part, connections)
            names |= pseudos_in(part, wanted, connections)
    if len(names) < 2 and len(sockets) < 2:
        return None
    return {
        "kind": "data" if names else "sockets",
        "pseudos": len(keys | names),
        "sockets": len(sockets),
        "size": len(container),
    }


def nested(thing, connections, depth=0):
    yield thing
    if depth < 5:
        for child in children(thing, connections):
            yield from nested(child, connections, depth + 1)


def sockets_in(thing, connections):
    return {id(part) for part in nested(thing, connections) if isinstance(part, connections)}


def pseudos_in(thing, wanted, connections):
    found = set()
    for part in nested(thing, connections):
        if isinstance(part, bytes):
            part = part.decode("utf-8", "replace")
        if isinstance(part, str):
            text = part.strip().casefold()
            if text in wanted:
                found.add(text)
            elif text[:1] in "{[" and len(text) < 10_000:
                try:
                    found |= pseudos_in(json.loads(text), wanted, connections)
                except ValueError:
                    pass
            else:
                found |= {name for name in wanted if text in (f"hello|{name}", f"pseudo|{name}")}
    return found


def own_attributes(connections):
    """Les attributs que l'étudiant a posés sur les connexions de la bibliothèque."""
    if not connections:
        return []
    names = set()
    for thing in gc.get_objects():
        if issubclass(type(thing), connections):  # isinstance se laisse tromper par un weakref
            names |= set(getattr(thing, "__dict__", {})) - library_attributes(type(thing))
    return sorted(names)


@functools.lru_cache
def library_attributes(cls):
    """Les noms que le code de la bibliothèque affecte elle-même : `self.nom` dans ses méthodes."""
    names = set()
    for base in cls.__mro__:
        for value in list(vars(base).values()):
            code = getattr(getattr(value, "fget", value), "__code__", None)
            if code:
                names |= set(code.co_names)
    return names
