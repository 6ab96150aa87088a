"""Ce que l'on copie d'un rendu : les scripts d'abord, et tout est borné.

Un rendu peut traîner un environnement entier ou cinquante mille fichiers : il est jugé sur ses
scripts, et ce qui a été laissé de côté est dit.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from grader.finding.code import MAX_FILE
from grader.finding.names import ROLES, role_of

MAX_FILES, MAX_BYTES = 1_000, 50_000_000
DEPTH = 40  # dossiers l'un dans l'autre
MAX_SEEN = 200_000  # fichiers que l'on regarde avant de renoncer à voir la suite
# Ce qui n'est pas le travail de l'étudiant, et que l'on ne copie pas non plus.
BAGGAGE = {".git", ".hg", ".venv", "venv", "env", "site-packages", "__pycache__", ".idea",
           ".vscode", ".data", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis",
           "__MACOSX"}  # fmt: skip
MODULES = "node_modules"
TEXTS = {".py", ".js", ".mjs", ".cjs", ".html", ".htm", ".json", ".toml", ".env", ".ini", ".cfg",
         ".txt", ".md", ".css", ".yml", ".yaml", ""}  # fmt: skip


@dataclass
class Budget:
    """Ce qu'il reste à prendre d'un rendu, en fichiers et en octets."""

    files: int = MAX_FILES
    bytes: int = MAX_BYTES

    def admits(self, size: int, files: int = 1) -> bool:
        """Prend ces fichiers s'ils tiennent encore."""
        if size > min(self.bytes, files * MAX_FILE) or files > self.files:
            return False
        self.files, self.bytes = self.files - files, self.bytes - size
        return True


@dataclass
class Inventory:
    """Ce qui se copie de `root`, en chemins relatifs, et ce qui en est laissé."""

    root: Path
    kept: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)  # vides compris : un script peut y écrire
    files_left: int = 0
    folders_left: list[Path] = field(default_factory=list)


def importance(path: Path) -> tuple[bool, bool, int, str]:
    """Les scripts du TP d'abord, puis les textes, puis le plus près de la racine."""
    is_text = path.suffix.lower() in TEXTS
    return role_of(path) not in ROLES, not is_text, len(path.parts), str(path)


def choose(sizes: dict[Path, int], budget: Budget) -> list[Path]:
    """Ce que l'on prend de ces fichiers, le plus important d'abord.

    Des paquets Node à moitié copiés ne servent à rien : tous, ou aucun.
    """
    modules = [path for path in sizes if MODULES in path.parts]
    others = sorted(sizes.keys() - set(modules), key=importance)
    kept = [path for path in others if len(path.parts) <= DEPTH and budget.admits(sizes[path])]
    if modules and budget.admits(sum(sizes[path] for path in modules), len(modules)):
        kept += modules
    return kept


def inventory(folder: Path) -> Inventory:
    """Ce qui se copie de ce dossier. Un lien mènerait ailleurs : il n'est jamais suivi."""
    result = Inventory(folder)
    sizes = dict(_walk(folder, result))
    result.kept = choose(sizes, Budget())
    left = sizes.keys() - set(result.kept)
    packages = {path for path in left if MODULES in path.parts}
    result.files_left += len(left) - len(packages)
    if packages:
        result.folders_left.append(Path(MODULES))
    return result


def _walk(folder: Path, result: Inventory) -> Iterator[tuple[Path, int]]:
    """Les fichiers ordinaires et leurs tailles, un étage après l'autre."""
    floor, seen = [Path()], 0
    while floor:
        below: list[Path] = []
        for place in floor:
            entries = _entries(folder / place)
            if any(entry.name == "pyvenv.cfg" for entry in entries):
                result.folders_left.append(place)
                continue
            for entry in entries:
                seen += 1
                if entry.is_dir(follow_symlinks=False):
                    if len(place.parts) >= DEPTH:
                        result.folders_left.append(place / entry.name)
                    elif entry.name not in BAGGAGE:
                        below.append(place / entry.name)
                elif entry.is_file(follow_symlinks=False):
                    if seen > MAX_SEEN:
                        result.files_left += 1
                    else:
                        yield place / entry.name, entry.stat(follow_symlinks=False).st_size
        floor = below if seen <= MAX_SEEN else []
        result.folders += floor[: MAX_FILES - len(result.folders)]


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    """Ce que contient un dossier ; rien s'il ne se laisse pas lire."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []
