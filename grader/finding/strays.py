"""Les scripts dont le nom se trompe d'étape : leur contenu dit laquelle c'est."""

import os
import re
from pathlib import Path

from grader.finding.code import Code
from grader.finding.names import CLIENT, SERVER, SUFFIXES

MONGO, REDIS = re.compile(r"\b(?:motor|pymongo)\b"), re.compile(r"\b(?:aio)?redis\b|\bvalkey\b")
ECHO = re.compile(r"hello client|received", re.I)
NAMED = re.compile(
    r"pseudo|hello\||nick|(?:user|display|your) ?name|\bnom\b|\blogin\b|who are you|qui es", re.I
)
LEADS = re.compile(
    r"""(?:src|href|action)\s*=\s*["']?([^"'>\s?#:]+)|(?:from|import)\s*\(?\s*["'](\.[^"']+)""",
    re.I,
)
LOADS = re.compile(r"""<script[^<>]*\ssrc\s*=\s*["']?([^"'>\s?#]+)""", re.I)
OPENS = re.compile(r"websocket", re.I)
ASKS = re.compile(r"<(?:input|select|textarea)\b|\bprompt\s*\(", re.I)


def parts_of(folder: Path, page: Path) -> list[Path]:
    """Ce fichier, et pour une page ceux du rendu qu'elle charge ou où elle mène, de proche en
    proche.
    """
    found = [page]
    for path in found if SUFFIXES.get(page.suffix.lower()) == ".html" else ():
        for names in LEADS.findall(Code(folder / path).text):
            place = Path(os.path.normpath(path.parent / "".join(names)))
            if place not in found and SUFFIXES.get(place.suffix) and (folder / place).is_file():
                found.append(place)
    return found


def door_of(folder: Path, page: Path, others: list[Path]) -> Path:
    """La page par où l'on entre dans celle-ci : elle y mène, demande quelque chose, et n'ouvre pas
    de connexion elle-même ; à défaut, celle-ci.
    """
    leads = re.compile(rf"""["'`/=]{re.escape(page.name)}\b""")
    for other in others:
        own = [other, *loaded(folder, other)]
        text = "\n".join(Code(folder / part).text for part in own)
        if other != page and leads.search(text) and ASKS.search(text) and not OPENS.search(text):
            return other
    return page


def loaded(folder: Path, page: Path) -> list[Path]:
    """Les scripts que cette page charge."""
    names = LOADS.findall(Code(folder / page).text)
    return [Path(os.path.normpath(page.parent / name)) for name in names]


def role_by_content(folder: Path, path: Path) -> str | None:
    """Le rôle que son contenu donne à un serveur ou à un client, s'il parle WebSocket."""
    suffix, name = SUFFIXES.get(path.suffix.lower()), path.stem.lower()
    text = "\n".join(Code(folder / part).text for part in parts_of(folder, path))
    if suffix is None or not OPENS.search(text):
        return None
    if suffix == ".py" and SERVER.search(name):
        return server_step(Code(folder / path)) + ".server"
    if not CLIENT.search(name):
        return None
    if NAMED.search(text):
        return "i3.client" + suffix.replace(".py", "")
    return "i1.client" if suffix == ".py" else "i2.client" + suffix


def server_step(code: Code) -> str:
    if MONGO.search(code.text):
        return "ii3"
    if REDIS.search(code.text):
        return "ii2"
    return "i1" if ECHO.search(code.text) else "i3"
