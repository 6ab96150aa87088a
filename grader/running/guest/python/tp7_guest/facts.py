"""Ce que le programme d'un étudiant garde en mémoire sur ses clients, quels que soient les noms.

On part des variables globales de ses modules, des variables capturées par ses fonctions, des
attributs de ses classes et de ses objets, et l'on suit ses conteneurs. On ne lit ni l'intérieur des
bibliothèques, ni les variables locales : un `for key in keys` lit Redis, il ne retient rien.
"""

import collections
import functools
import gc
import json
import re
import sys
import types

from tp7_guest.elsewhere import put_elsewhere

SCALARS = (str, bytes, int, float, complex, bool, type(None))
OPAQUE = (types.ModuleType, type)
CONTAINERS = (dict, list, set, frozenset, tuple, collections.deque, types.MappingProxyType)
LIKE_CONTAINERS = ("WeakSet", "WeakKeyDictionary", "WeakValueDictionary", "UserDict", "UserList")
SALUTE = re.compile(r"\w{0,12}\W{1,2}")
MAX_OBJECTS = 50_000


def registries(pseudos, is_theirs):
    """Les conteneurs de clients : une liste de dict(path, kind, size).

    `kind` : "data" (des données de clients), "sockets" (des connexions seules) ou "attributes"
    (des attributs posés sur les connexions de la bibliothèque).
    """
    wanted = {pseudo.casefold() for pseudo in pseudos}
    connections = connection_types()
    found, seen = {}, set()
    for path, root in roots(is_theirs, connections):
        for place, container in containers(root, path, seen, connections):
            if kind := describe(container, wanted, connections):
                found.setdefault(place, {"path": place, "kind": kind, "size": len(container)})
    if attributes := own_attributes(connections):
        path, size = ", ".join(attributes), len(attributes)
        found["attributes"] = {"path": path, "kind": "attributes", "size": size}
    return list(found.values())


def connection_types():
    names = (
        ("websockets.asyncio.connection", "Connection"),
        ("websockets.legacy.protocol", "WebSocketCommonProtocol"),
        ("websockets.sync.connection", "Connection"),
    )
    modules = ((sys.modules.get(module), name) for module, name in names)
    return tuple(getattr(module, name) for module, name in modules if module)


def roots(is_theirs, connections):
    """Les points de départ : (nom lisible, objet)."""
    theirs, files = set(), []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(module, types.ModuleType) and file and is_theirs(file):
            theirs.add(name)
            files.append(file)
            yield from public(module, "")
    for thing in gc.get_objects():
        try:
            if isinstance(thing, types.FunctionType) and is_theirs(thing.__code__.co_filename):
                yield from held_by(thing)
            elif isinstance(thing, functools.partial):
                code = getattr(thing.func, "__code__", None)
                if code and is_theirs(code.co_filename):
                    for value in (*thing.args, *thing.keywords.values()):
                        yield f"partial({thing.func.__qualname__})", value
            elif isinstance(thing, type) and thing.__module__ in theirs:
                yield from public(thing, f"{thing.__qualname__}.")
            elif type(thing).__module__ in theirs and not isinstance(thing, types.ModuleType):
                yield type(thing).__qualname__, thing
        except ReferenceError:
            continue

    def is_own(thing):
        """Déjà regardé, ou le sera : ce qui est à lui, et les connexions de la bibliothèque."""
        home = getattr(thing, "__module__", "") if isinstance(thing, type) else ""
        own = {home, type(thing).__module__, getattr(thing, "__name__", "")} & theirs
        return own or issubclass(type(thing), connections)

    yield from put_elsewhere(files, is_own, library_attributes)


def public(owner, prefix):
    for name, value in list(vars(owner).items()):
        if not name.startswith("__"):
            yield prefix + name, value


def held_by(function):
    """Ce que retient une fonction : variables capturées, valeurs par défaut, attributs."""
    label = function.__qualname__
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield f"{name} ({label})", cell.cell_contents
        except ValueError:  # pas encore de valeur
            pass
    for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        yield f"{label}()", value
    yield from public(function, f"{label}.")


def is_container(thing):
    return isinstance(thing, CONTAINERS) or type(thing).__name__ in LIKE_CONTAINERS


def children(thing, connections):
    """Ce que contient un conteneur ou un objet de l'étudiant."""
    if isinstance(thing, (*SCALARS, *connections)):
        return []
    if is_container(thing):
        if hasattr(thing, "items"):
            return [part for pair in list(thing.items()) for part in pair]
        return list(thing)
    return [value for _, value in attributes_of(thing)]


def attributes_of(thing):
    """Les attributs d'un objet d'une classe de l'étudiant."""
    module = sys.modules.get(type(thing).__module__)
    file = getattr(module, "__file__", None) or ""
    if not file or "site-packages" in file or file.startswith((sys.base_prefix, sys.prefix)):
        return []
    slots = ((slot, getattr(thing, slot, None)) for slot in getattr(type(thing), "__slots__", ()))
    return [*getattr(thing, "__dict__", {}).items(), *slots]


def containers(root, path, seen, connections):
    """Tous les conteneurs atteints depuis `root`, chacun une fois."""
    waiting = [(path, root)]
    while waiting and len(seen) < MAX_OBJECTS:
        place, thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, (*SCALARS, *connections, *OPAQUE)):
            continue
        seen.add(id(thing))
        if is_container(thing):
            yield place, thing
            waiting += [(place, child) for child in children(thing, connections)]
        else:
            waiting += [(f"{place}.{name}", value) for name, value in attributes_of(thing)]


def describe(container, wanted, connections):
    """Ce que le conteneur garde des clients, ou None s'il n'en connaît pas au moins deux."""
    if isinstance(container, tuple):  # immuable : il n'enregistre personne
        return None
    sockets, names = set(), set()
    mapping = hasattr(container, "items")
    for entry in list(container.items()) if mapping else list(container):
        for part in entry if mapping else (entry,):
            sockets |= sockets_in(part, connections)
            names |= pseudos_in(part, wanted, connections)
    if len(names) < 2 and len(sockets) < 2:
        return None
    return "data" if names else "sockets"


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
            else:  # le salut entier : « hello|ana »
                found |= {
                    name
                    for name in wanted
                    if text.endswith(name) and SALUTE.fullmatch(text.removesuffix(name))
                }
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
