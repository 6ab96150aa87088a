"""Ce que dit le nom d'un fichier : l'étape, le rôle, la sorte de script."""

import re
from pathlib import Path

ROLES = {
    ("i", 1, "server", ".py"): "i1.server",
    ("i", 1, "client", ".py"): "i1.client",
    ("i", 2, "client", ".js"): "i2.client.js",
    ("i", 2, "client", ".html"): "i2.client.html",
    ("i", 3, "server", ".py"): "i3.server",
    ("i", 3, "client", ".py"): "i3.client",
    ("i", 3, "client", ".js"): "i3.client.js",
    ("i", 3, "client", ".html"): "i3.client.html",
    ("ii", 2, "server", ".py"): "ii2.server",
    ("ii", 2, "client", ".py"): "ii2.client",
    ("ii", 3, "server", ".py"): "ii3.server",
    ("ii", 3, "client", ".py"): "ii3.client",
}
SUFFIXES = {".py": ".py", ".js": ".js", ".mjs": ".js", ".cjs": ".js", ".html": ".html",
            ".htm": ".html"}  # fmt: skip
STEP = re.compile(
    r"(?<![a-z0-9])(?:ws)?(i{1,2})[\W_]*([1-3])(?![0-9])|ws[\W_]*([12])[\W_]+([1-3])(?![0-9])"
)
# La même chose éparpillée : « I - Websockets/3. Chatroom », « Partie 2/etape 2 ».
PART = re.compile(r"partie\W*([12])|(?<![a-z0-9])(i{1,2})(?![a-z0-9])")
NUMBER = re.compile(r"(?<![0-9])([1-3])(?![0-9])")
SERVER, CLIENT = re.compile(r"serv(?:er|eur|e?r)|srv"), re.compile(r"client|clt|page|index")


def role_of(path: Path) -> tuple[str, int, str, str] | None:
    """L'étape, le rôle et la sorte d'un fichier, d'après son nom puis celui de ses dossiers."""
    suffix = SUFFIXES.get(path.suffix.lower())
    if suffix is None:
        return None
    name = path.with_suffix("").name.lower()
    folders = "/".join(path.parts[:-1]).lower()
    step = step_of(name) or step_of(f"{folders}/{name}") or scattered_step(f"{folders}/{name}")
    if step is None:
        return None
    for text in (name, folders):
        if SERVER.search(text):
            return *step, "server", suffix
        if CLIENT.search(text):
            return *step, "client", suffix
    return (*step, "client", suffix) if suffix == ".html" else None


def step_of(text: str) -> tuple[str, int] | None:
    """L'étape écrite d'un seul tenant : "ws_ii_2_server" -> ("ii", 2)."""
    found = STEP.search(text)
    return (found[1] or "i" * int(found[3]), int(found[2] or found[4])) if found else None


def scattered_step(text: str) -> tuple[str, int] | None:
    """La partie, puis plus loin dans le chemin le numéro."""
    part = PART.search(text)
    number = NUMBER.search(text, part.end()) if part else None
    return (part[2] or "i" * int(part[1]), int(number[1])) if part and number else None
