"""Un rendu : où sont ses scripts, avec quel Python, et ce que leur lecture apprend sans les lancer.

Rien ici n'exécute ni n'importe le moindre fichier d'un rendu.
"""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from grader.sandbox import MAX_FILE, NOT_COPIED

ROLES = {
    "i1.server": ("i", 1, "server", ".py"),
    "i1.client": ("i", 1, "client", ".py"),
    "i2.client.js": ("i", 2, "client", ".js"),
    "i2.client.html": ("i", 2, "client", ".html"),
    "i3.server": ("i", 3, "server", ".py"),
    "i3.client": ("i", 3, "client", ".py"),
    "i3.client.js": ("i", 3, "client", ".js"),
    "i3.client.html": ("i", 3, "client", ".html"),
    "ii2.server": ("ii", 2, "server", ".py"),
    "ii2.client": ("ii", 2, "client", ".py"),
    "ii3.server": ("ii", 3, "server", ".py"),
    "ii3.client": ("ii", 3, "client", ".py"),
}
SUFFIXES = {".py": ".py", ".js": ".js", ".mjs": ".js", ".cjs": ".js", ".html": ".html",
            ".htm": ".html"}  # fmt: skip
SKIPPED = NOT_COPIED | {"node_modules", "tests", "rendus", "bench", "__MACOSX"}
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
    return (part[2] or "i" * int(part[1]), int(number[1])) if number else None


@dataclass
class HandIn:
    """Le dossier d'un étudiant. `scripts` : rôle -> chemin relatif du fichier qui le tient."""

    folder: Path
    scripts: dict[str, Path] = field(init=False)

    def __post_init__(self):
        self.folder = self.folder.resolve()
        self.scripts = {}
        for path in sorted(self.files, key=self._rank):
            role = role_of(path)
            for wanted, key in ROLES.items():
                if role == key:
                    self.scripts.setdefault(wanted, path)
        if not {"i2.client.js", "i2.client.html"} & self.scripts.keys():
            self.scripts |= self._unnamed_client()
        for role in ("i2.client", "i3.client"):
            page = self._page_of(self.scripts.get(f"{role}.js"))
            if page and not self._is_exact(self.scripts.get(f"{role}.html", page)):
                self.scripts[f"{role}.html"] = page

    @property
    def name(self) -> str:
        return self.folder.name or str(self.folder)

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
            if SUFFIXES.get(page.suffix.lower()) == ".html":
                loaded = LOADS.findall(Code(self.folder / page).text)
                if any((self.folder / page.parent / one).resolve() == self.folder / script
                       for one in loaded):  # fmt: skip
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

    def _rank(self, path: Path) -> tuple:
        """Le nom exact de l'énoncé d'abord, puis le programme d'un dossier, puis le plus près de la
        racine, puis le plus court.
        """
        main = path.stem.lower() in ("__main__", "main")
        return not self._is_exact(path), not main, len(path.parts), len(path.name), str(path)

    def code(self, role: str) -> "Code | None":
        path = self.scripts.get(role)
        return Code(self.folder / path) if path else None


class Code:
    """Un script lu, jamais lancé : sa syntaxe, ses imports, ses erreurs reconnaissables."""

    def __init__(self, path: Path):
        self.path = path

    @cached_property
    def text(self) -> str:
        try:
            return self.path.read_bytes()[:MAX_FILE].decode("utf-8-sig", "replace")
        except OSError:
            return ""

    @cached_property
    def tree(self) -> ast.Module | None:
        return parse(self.text)

    def constants(self) -> list[str]:
        """Les chaînes écrites dans le code, sans les docstrings."""
        if not self.tree:
            return []
        docs = {
            node.value
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        return [
            node.value
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docs
        ]

    @cached_property
    def imports(self) -> list[tuple[str, str | None]]:
        """Les (module, nom) importés."""
        found: list[tuple[str, str | None]] = []
        for node in ast.walk(self.tree) if self.tree else ():
            if isinstance(node, ast.Import):
                found += [(alias.name, None) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found += [(node.module, alias.name) for alias in node.names]
        return found

    def suits(self, python: str) -> bool:
        """Vrai si ce Python comprend le fichier et a les noms qu'il prend à la bibliothèque."""
        if python == sys.executable:
            return self.tree is not None and not self._absent_names()
        asked = ";".join(
            [
                "import ast,importlib,sys",
                "ast.parse(open(sys.argv[1],'rb').read())",
                *(
                    f"getattr(importlib.import_module({module!r}),{name!r})"
                    for module, name in self._absent_names()
                ),
            ]
        )
        command = [python, "-I", "-W", "ignore", "-c", asked, str(self.path)]
        try:
            return subprocess.run(command, capture_output=True, timeout=20).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False

    def _absent_names(self) -> list[tuple[str, str]]:
        """Ce que le fichier prend à la bibliothèque standard et que ce Python n'a pas."""
        missing = []
        for module, name in self.imports:
            top = module.partition(".")[0]
            if name and name != "*" and top in sys.stdlib_module_names:
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        known = importlib.import_module(module)
                    if not hasattr(known, name) and not importlib.util.find_spec(
                        f"{module}.{name}"
                    ):
                        missing.append((module, name))
                except Exception:  # un module qui n'est pas un paquet, ou propre à Windows
                    missing.append((module, name))
        return missing


def parse(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def python_for(code: Code) -> tuple[str, bool]:
    """Le Python qui convient à un script : celui-ci, sinon un plus récent trouvé sur la machine.

    Rend (chemin, convient) ; si aucun ne convient, le nôtre et False.
    """
    if code.suits(sys.executable):
        return sys.executable, True
    for minor in range(sys.version_info.minor + 1, 20):
        for place in (shutil.which(f"python3.{minor}"), *_pyenv(minor)):
            if place and code.suits(place):
                return place, True
    return sys.executable, False


def _pyenv(minor: int) -> list[str]:
    return [str(path) for path in Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python")]
