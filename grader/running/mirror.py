"""Les scripts qu'une page prend à un miroir public de npm : de quel paquet, et quel fichier.

Un miroir ne fait que donner un fichier d'un paquet : le paquet, pris d'avance au registre et jamais
exécuté ici, suffit. Aucun miroir n'est joint.
"""

import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from grader.finding.archives import safe

PLACE = "pages"  # le dossier de ces paquets, parmi ceux d'un rendu
BYTES, FILES = 100_000_000, 20_000  # d'un paquet
NAME = r"((?:@[a-z0-9~][\w.~-]*/)?[a-z0-9~][\w.~-]*?)"
VERSION = r"(?:\^|~|%5E|%7E)?\d[\w.+-]*|[a-z][\w-]*"  # ni adresse, ni dossier
PATH = r"""/([^\s"'`<>?#\\]*)"""
NPM = re.compile(
    rf"//(unpkg\.com|cdn\.jsdelivr\.net/npm)/{NAME}(?:@({VERSION}))?(?:{PATH})?(?=[\s\"'`<>?#]|$)"
)
CDNJS = re.compile(rf"//(cdnjs\.cloudflare\.com)/ajax/libs/{NAME}/({VERSION}){PATH}")
RENAMED = re.compile(r"""["']([\w@./-]+)["']\s*:\s*["'](?:https?:)?//""")
KINDS = {".js": "text/javascript", ".mjs": "text/javascript", ".cjs": "text/javascript",
         ".css": "text/css", ".json": "application/json"}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """Ce que désigne une adresse : « vue@3 », et un fichier, ou "" pour le principal."""

    host: str
    package: str
    file: str


def read(url: str) -> Asked | None:
    """Ce que désigne cette adresse ; None si ce n'est pas un fichier d'un paquet npm."""
    return next(_asked(url), None)


def asked_in(texts: Iterable[str]) -> list[str]:
    """Les paquets des miroirs que nomment ces pages et ces scripts."""
    return sorted({one.package for text in texts for one in _asked(text)})


def renamed_in(texts: Iterable[str]) -> set[str]:
    """Les noms que les pages donnent elles-mêmes à des adresses : `{"imports": {"vue": "https…`."""
    return {name for text in texts for name in RENAMED.findall(text)}


def _asked(text: str) -> Iterator[Asked]:
    for pattern in (NPM, CDNJS):
        for host, name, version, file in pattern.findall(text):
            yield Asked(host, f"{name}@{unquote(version) or 'latest'}", unquote(file))


def file_of(url: str, packages: Path | None) -> Path | None:
    """Le fichier que désigne cette adresse, dans les paquets d'un rendu."""
    asked = read(url)
    if not (asked and packages):
        return None
    package = _folder(packages, asked.package).resolve()
    wanted = asked.file or _main(package, asked.host)
    for name in (wanted, f"{wanted}.js", wanted.replace(".min.", ".")):
        place = (package / name).resolve()
        if place.is_file() and place.is_relative_to(package):
            return place
    if "cdnjs" not in asked.host:
        return None
    same = [place for place in package.rglob("*.*") if place.name == PurePosixPath(wanted).name]
    return min(same, key=lambda place: len(place.parts), default=None)


def _folder(packages: Path, package: str) -> Path:
    return packages / PLACE / package.replace("/", "+")


def _main(package: Path, host: str) -> str:
    """Le fichier que donne un miroir quand on ne lui nomme que le paquet."""
    fields = ("unpkg" if "unpkg" in host else "jsdelivr", "main")
    about = _about(package)
    return next((one for field in fields if isinstance(one := about.get(field), str)), "index.js")


def _about(package: Path) -> dict[str, object]:
    try:
        about = json.loads((package / "package.json").read_text("utf-8", "replace"))
    except (OSError, ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}


def fetch(package: str, packages: Path, run: Callable[[list[str], Path], bool]) -> bool:
    """Prend ce paquet au registre, sans ses dépendances ni rien en exécuter ; vrai s'il y est."""
    place = _folder(packages, package)
    place.mkdir(parents=True, exist_ok=True)
    if run(["npm", "pack", "--ignore-scripts", "--silent", "--", package], place):
        for archive in place.glob("*.tgz"):
            with suppress(OSError, tarfile.TarError):
                _unpack(archive, place)
            archive.unlink()
    return bool(_about(place))


def _unpack(archive: Path, place: Path) -> None:
    """Des fichiers ordinaires, à leur place, jusqu'à une borne."""
    size = count = 0
    with tarfile.open(archive) as packed:
        for member in packed:
            path = safe(member.name)
            size, count = size + member.size, count + 1
            if size > BYTES or count > FILES:
                return
            data = packed.extractfile(member) if member.isfile() else None
            if data and path and len(path.parts) > 1:  # tout y est dans un dossier « package »
                target = place.joinpath(*path.parts[1:])
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data.read())


def version(package: str, packages: Path) -> str:
    """« vue 3.5.1 » pour « vue@3 », ou "" s'il n'y est pas."""
    about = _about(_folder(packages, package))
    return f"{about.get('name')} {about.get('version')}" if about else ""
