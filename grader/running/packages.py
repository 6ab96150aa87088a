"""Installer, pour un rendu seul, les paquets qu'il demande et qui ne sont pas ici.

Rien du rendu ne s'exécute ici, et rien de ce qu'il écrit n'est obéi : de ses listes de paquets on
ne garde que des noms et des versions. Des roues seulement, aucun script d'installation, un dossier
jetable, un temps et une place bornés.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import distributions, packages_distributions
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from grader.finding.code import Code
from grader.finding.handin import HandIn
from grader.finding.inventory import MODULES
from grader.running import mirror

SECONDS, BYTES = 120, 300_000_000  # pour tout ce que demande un rendu
MOST = 40  # paquets demandés ; au-delà, ce n'est plus une liste écrite à la main
# Le paquet d'un module qui ne porte pas son nom.
NAMES = {
    "PIL": "pillow", "yaml": "PyYAML", "bs4": "beautifulsoup4", "cv2": "opencv-python-headless",
    "Crypto": "pycryptodome", "socketio": "python-socketio", "engineio": "python-engineio",
    "dateutil": "python-dateutil", "jwt": "PyJWT", "websocket": "websocket-client",
}  # fmt: skip
IMITATED = {"aioredis", "uvloop"}  # le calque en tient lieu
# Un fichier du rendu qui manque, plutôt qu'un paquet de ce nom.
OWN = {"config", "settings", "utils", "constants", "common", "server", "client", "database", "db",
       "models", "helpers", "protocol"}  # fmt: skip
PYTHON = "site-packages"  # à ce nom, le calque sait que rien de cela n'est du rendu
WEB = {".html", ".htm", ".js", ".mjs"}
OURS = {"ws"}  # le paquet Node du TP
NODE_NAME = re.compile(r"(?:@[a-z0-9~][\w.~-]*/)?[a-z0-9~][\w.~-]*")
NODE_RANGE = re.compile(r"[\w.~^<>=*| +-]*")  # ni adresse, ni dossier, ni autre nom
NODE_IMPORT = re.compile(
    r"""(?:\brequire\s*\(|\bimport\s*\(|\bfrom\b|\bimport\b)\s*["'](@?[^"'./@:][^"':]*)["']"""
)


@dataclass(frozen=True)
class Wanted:
    """Ce qui manque à un rendu : des demandes pour pip, et des « nom@version » pour npm, de ses
    scripts et de ses pages.
    """

    python: tuple[str, ...]
    node: tuple[str, ...]
    pages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Installed:
    """Ce qui a pu l'être : le dossier, les paquets, ce qu'ils ont amené, ceux que l'on n'a pas."""

    folder: Path
    names: tuple[str, ...]
    others: int
    refused: tuple[str, ...]


class Store:
    """Les paquets d'une exécution : les rendus qui demandent la même chose les partagent."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._installed: dict[Wanted, Installed] = {}

    def serve(self, hand_in: HandIn) -> Installed | None:
        """Ce qui est installé pour ce rendu ; None s'il ne lui manque rien."""
        wanted = wanted_by(hand_in)
        if wanted == Wanted((), ()):
            return None
        if wanted not in self._installed:
            folder = self.place / str(len(self._installed))
            folder.mkdir(parents=True)
            self._installed[wanted] = install(wanted, folder)
        return self._installed[wanted]


# --- Ce qui manque --------------------------------------------------------------------------------


def wanted_by(hand_in: HandIn) -> Wanted:
    """Ce que demandent ses listes de paquets et ses imports, sans ce qui est là."""
    python = {canonicalize_name(one.name): str(one) for one in _declared(hand_in)}
    for module in _imported(hand_in):
        python.setdefault(canonicalize_name(NAMES.get(module, module)), NAMES.get(module, module))
    here = {canonicalize_name(one.name) for one in distributions()}
    known = here | IMITATED | {canonicalize_name(name) for name in sys.stdlib_module_names}
    missing = [python[name] for name in sorted(python.keys() - known)]
    npm = shutil.which("npm")
    web = [path for path in hand_in.files if path.suffix.lower() in WEB] if npm else []
    texts = [Code(hand_in.folder / path).text for path in web]
    pages = mirror.asked_in(texts)
    node = _node_wanted(hand_in) if npm and shutil.which("node") else {}
    useless = OURS | mirror.renamed_in(texts)
    pairs = (f"{name}@{node[name]}" for name in sorted(node.keys() - useless))
    return Wanted(tuple(missing[:MOST]), tuple(pairs)[:MOST], tuple(pages)[:MOST])


def _declared(hand_in: HandIn) -> Iterator[Requirement]:
    """Ce que demandent requirements.txt et pyproject.toml ; ni option, ni adresse, ni dossier."""
    lines: list[str] = []
    for path in hand_in.files:
        if re.fullmatch(r"requirements.*\.txt", path.name, re.I):
            lines += Code(hand_in.folder / path).text.splitlines()
        elif path.name == "pyproject.toml":
            lines += _of_project(Code(hand_in.folder / path).text)
    for line in lines:
        try:
            one = Requirement(re.sub(r"(^|\s)#.*", "", line).strip())
        except InvalidRequirement:
            continue
        if not one.url and (one.marker is None or one.marker.evaluate()):
            yield one


def _of_project(text: str) -> list[str]:
    """Les dépendances d'un pyproject.toml, celles de Poetry par leur nom seul."""
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return []
    listed = _at(data, "project", "dependencies")
    poetry = _at(data, "tool", "poetry", "dependencies")
    names = [name for name in poetry if name != "python"] if isinstance(poetry, dict) else []
    return [
        one for one in (listed if isinstance(listed, list) else []) if isinstance(one, str)
    ] + names


def _at(data: Any, *keys: str) -> Any:
    """Ce qui se trouve à cette place d'un fichier écrit par n'importe qui, ou None."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _imported(hand_in: HandIn) -> set[str]:
    """Les modules importés qui ne sont ni d'ici, ni du rendu."""
    own = {part for path in hand_in.files for part in path.with_suffix("").parts}
    scripts = [path for path in hand_in.files if path.suffix.lower() == ".py"]
    modules = {name for path in scripts for name in Code(hand_in.folder / path).modules}
    here = packages_distributions().keys() | sys.stdlib_module_names
    return {name for name in modules - here - own - OWN if name.isidentifier()}


def _node_wanted(hand_in: HandIn) -> dict[str, str]:
    """Le nom et la version de chaque paquet Node demandé ou importé, absent du rendu."""
    found: dict[str, str] = {}
    for path in hand_in.files:
        text = Code(hand_in.folder / path).text if path.suffix in (".js", ".mjs", ".cjs") else ""
        for name in NODE_IMPORT.findall(text):
            own = "/".join(name.split("/")[: 1 + name.startswith("@")])
            found.setdefault(own, "*")
        if path.name == "package.json":
            found |= _of_package(Code(hand_in.folder / path).text)
    builtin = _node_builtins() if found else set()
    brought = {name for path in hand_in.inventory.kept for name in _brought(path.parts)}
    return {
        name: version
        for name, version in found.items()
        if name not in builtin | brought
        and NODE_NAME.fullmatch(name)
        and NODE_RANGE.fullmatch(version)
    }


def _brought(parts: tuple[str, ...]) -> Iterator[str]:
    """Le paquet Node dont ce chemin est un fichier, s'il est copié dans le rendu."""
    if MODULES in parts[:-1]:
        rest = parts[parts.index(MODULES) + 1 :]
        yield "/".join(rest[: 1 + rest[0].startswith("@")])


def _of_package(text: str) -> dict[str, str]:
    try:
        listed = _at(json.loads(text), "dependencies")
    except (ValueError, RecursionError):
        return {}
    return {str(k): str(v) for k, v in listed.items()} if isinstance(listed, dict) else {}


def _node_builtins() -> set[str]:
    command = ["node", "-p", "require('node:module').builtinModules.join(' ')"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=20)
    return set(found.stdout.split())


# --- L'installation -------------------------------------------------------------------------------


def install(wanted: Wanted, folder: Path) -> Installed:
    """Tout d'un coup ; si cela échoue, un par un, pour que l'un ne prive pas des autres.

    Une version d'alors n'a pas toujours de roue pour ce Python : à défaut, la dernière.
    """
    deadline, refused = time.monotonic() + SECONDS, list[str]()
    if wanted.python and not _pip(wanted.python, folder, deadline):
        for one in wanted.python:
            tries = ([one], [Requirement(one).name])
            if not any(_pip(asked, folder, deadline) for asked in tries):
                refused.append(one)
    if wanted.node and not _npm(wanted.node, folder, deadline):
        refused += [one for one in wanted.node if not _npm([one], folder, deadline)]
    for one in wanted.pages:
        if not mirror.fetch(one, folder, partial(_run, deadline=deadline)):
            refused.append(one)
    found = [*_python_names(folder), *_node_names(folder)]
    asked_for = {canonicalize_name(Requirement(one).name) for one in wanted.python}
    asked_for |= {canonicalize_name(one.rpartition("@")[0]) for one in wanted.node}
    names = [f"{name} {version}" for name, version in found if canonicalize_name(name) in asked_for]
    others = len(found) - len(names)
    names += filter(None, (mirror.version(one, folder) for one in wanted.pages))
    return Installed(folder, tuple(sorted(names)), others, tuple(refused))


def _pip(asked: Iterable[str], folder: Path, deadline: float) -> bool:
    options = ["--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--retries=1"]
    target = ["--no-compile", "--target", str(folder / PYTHON)]
    command = [sys.executable, "-I", "-m", "pip", "install", *options, *target, "--", *asked]
    return _run(command, folder, deadline)


def _npm(asked: Iterable[str], folder: Path, deadline: float) -> bool:
    place = folder / "node"
    place.mkdir(exist_ok=True)
    (place / "package.json").write_text('{"private": true}')
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--silent"]
    return _run(["npm", "install", *options, "--", *asked], place, deadline)


def _run(command: list[str], folder: Path, deadline: float) -> bool:
    """Vrai si cela finit bien, dans le temps et la place donnés."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while process.poll() is None:
            if time.monotonic() > deadline or _size(folder) > BYTES:
                return False
            time.sleep(0.5)
        return process.returncode == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(temporary, ignore_errors=True)


def _size(folder: Path) -> int:
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(base, name)).st_size
            except OSError:  # un fichier de passage
                continue
    return total


def _python_names(folder: Path) -> Iterator[tuple[str, str]]:
    for info in (folder / PYTHON).glob("*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        yield name, version


def _node_names(folder: Path) -> Iterator[tuple[str, str]]:
    for package in (folder / "node" / "node_modules").glob("**/package.json"):
        scoped = package.parts[-3].startswith("@")
        if package.parts[-4 if scoped else -3] == MODULES:
            data = json.loads(package.read_text("utf-8", "replace"))
            if data.get("version"):
                yield str(data.get("name")), str(data["version"])
