"""Un rendu : où sont ses scripts. Rien ici n'exécute ni n'importe le moindre fichier d'un rendu."""

import os
import re
from functools import cached_property
from pathlib import Path

from grader.finding.code import Code

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
# Ce qui n'est pas le travail de l'étudiant, et que l'on ne copie pas non plus.
BAGGAGE = {".git", ".hg", ".venv", "venv", "env", "__pycache__", ".idea", ".vscode", ".data"}
SKIPPED = BAGGAGE | {"node_modules", "tests", "rendus", "bench", "__MACOSX"}
STEP = re.compile(
    r"(?<![a-z0-9])(?:ws)?(i{1,2})[\W_]*([1-3])(?![0-9])|ws[\W_]*([12])[\W_]+([1-3])(?![0-9])"
)
# La même chose éparpillée : « I - Websockets/3. Chatroom », « Partie 2/etape 2 ».
PART = re.compile(r"partie\W*([12])|(?<![a-z0-9])(i{1,2})(?![a-z0-9])")
NUMBER = re.compile(r"(?<![0-9])([1-3])(?![0-9])")
LEFT_OUT = re.compile(r"pseudo|Hello\||echo\.websocket|(?:^|/)(?:old|brouillon|test)", re.I)
LOADS = re.compile(r"""<script[^>]*\ssrc\s*=\s*["']?([^"'>\s?#]+)""", re.I)
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


class HandIn:
    """Le dossier d'un étudiant. `scripts` : rôle -> chemin relatif du fichier qui le tient."""

    def __init__(self, folder: Path):
        self.folder = folder.resolve()
        self.scripts: dict[str, Path] = {}
        for path in sorted(self.files, key=self._rank):
            if (found := role_of(path)) in ROLES:
                self.scripts.setdefault(ROLES[found], path)
        if not {"i2.client.js", "i2.client.html"} & self.scripts.keys():
            self.scripts |= self._unnamed_client()
        for role in ("i2.client", "i3.client"):
            page = self._page_of(self.scripts.get(f"{role}.js"))
            if page and not self._is_exact(self.scripts.get(f"{role}.html", page)):
                self.scripts[f"{role}.html"] = page

    @cached_property
    def files(self) -> list[Path]:
        """Les fichiers du rendu, par leur chemin relatif ; un lien n'en est pas un."""
        found = []
        for base, folders, names in os.walk(self.folder):
            folders[:] = [f for f in folders if f not in SKIPPED and not f.startswith(".")]
            relative = Path(base).relative_to(self.folder)
            if len(relative.parts) < 6:
                found += [relative / name for name in names if not name.startswith((".", "test_"))]
        return [path for path in found if not (self.folder / path).is_symlink()]

    def _page_of(self, script: Path | None) -> Path | None:
        """La page qui charge ce script, quel que soit son nom."""
        for page in self.files if script else ():
            if script and SUFFIXES.get(page.suffix.lower()) == ".html":
                here = self.folder / page.parent
                loaded = LOADS.findall(Code(self.folder / page).text)
                if any((here / one).resolve() == self.folder / script for one in loaded):
                    return page
        return None

    def _unnamed_client(self) -> dict[str, Path]:
        """Le client de I.2 dont rien ne dit l'étape : le premier script de page, ou de Node, qui
        ouvre un WebSocket sans parler de pseudo.
        """
        taken = self.scripts.values()
        for path in sorted(self.files, key=self._rank):
            suffix = SUFFIXES.get(path.suffix.lower())
            if suffix in (".js", ".html") and path not in taken:
                text = Code(self.folder / path).text
                if "WebSocket" in text and not LEFT_OUT.search(f"{path} {text}"):
                    return {f"i2.client{suffix}": path}
        return {}

    def _is_exact(self, path: Path) -> bool:
        """Vrai si ce fichier a le nom de l'énoncé."""
        return bool(re.fullmatch(r"ws_(i|ii)_[123]_(server|client)", path.stem.lower()))

    def _rank(self, path: Path) -> tuple[bool, bool, int, int, str]:
        """Le nom exact de l'énoncé d'abord, puis le programme d'un dossier, puis le plus près de la
        racine, puis le plus court.
        """
        main = path.stem.lower() in ("__main__", "main")
        return not self._is_exact(path), not main, len(path.parts), len(path.name), str(path)

    def code(self, role: str) -> Code:
        """Le script de ce rôle ; vide si personne ne le tient."""
        return Code(self.folder / self.scripts[role] if role in self.scripts else Path(os.devnull))
