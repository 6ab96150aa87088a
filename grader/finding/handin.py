"""Un rendu : où sont ses scripts. Rien ici n'exécute ni n'importe le moindre fichier d'un rendu."""

import os
import re
from functools import cached_property
from pathlib import Path

from grader.finding.code import Code
from grader.finding.inventory import MODULES, inventory
from grader.finding.names import ROLES, SUFFIXES, role_of
from grader.finding.strays import door_of, loaded, parts_of, role_by_content, server_step

# Ce qui se copie, mais où l'on ne cherche pas de scripts.
SKIPPED = {MODULES, "tests", "rendus", "bench"}
LEFT_OUT = re.compile(r"pseudo|Hello\||echo\.websocket|(?:^|/)(?:old|brouillon|test)", re.I)


class HandIn:
    """Le dossier d'un étudiant. `scripts` : rôle -> chemin relatif du fichier qui le tient.

    `others` : les autres candidats au même rôle, si le premier n'est qu'un brouillon.
    `inside` : la page où mène celle par où l'on entre.

    `unread` : l'archive du rendu qui n'a pas pu s'ouvrir ; ce qui manque y est peut-être.
    `packages` : le dossier des paquets installés pour ce rendu seul.
    """

    def __init__(self, folder: Path, unread: str = "", packages: Path | None = None):
        self.folder, self.unread, self.packages = folder.resolve(), unread, packages
        self.inventory = inventory(self.folder)
        self.scripts: dict[str, Path] = {}
        self.others: dict[str, list[Path]] = {}
        self.inside: dict[Path, Path] = {}
        for path in sorted(self.files, key=self._rank):
            if (found := role_of(path)) in ROLES:
                role = ROLES[found]
                if self.scripts.setdefault(role, path) != path:
                    self.others.setdefault(role, []).append(path)
        self._move_misplaced()
        shared = {part for path in self.scripts.values() for part in parts_of(self.folder, path)}
        if not {"i2.client.js", "i2.client.html"} & self.scripts.keys():
            self.scripts |= self._unnamed_client(shared)
        for role in ("i2.client", "i3.client"):
            script = self.scripts.get(f"{role}.js")
            page = self._page_of(script) if script else None
            if page and not self._is_exact(self.scripts.get(f"{role}.html", page)):
                self.scripts[f"{role}.html"] = page
        if page := self.scripts.get("i3.client.html"):
            door = self.scripts["i3.client.html"] = door_of(self.folder, page, self._pages)
            self.inside = {door: page} if door != page else {}

    def _move_misplaced(self) -> None:
        """Les scripts dont le nom se trompe d'étape prennent la place qui est vide."""
        third = self.scripts.get("ii3.server")
        if (
            third
            and "ii2.server" not in self.scripts
            and server_step(self.code("ii3.server")) == "ii2"
        ):
            self.scripts["ii2.server"] = self.scripts.pop("ii3.server")
        candidates = {
            *self.scripts.values(),
            *(p for others in self.others.values() for p in others),
        }
        for path in sorted(set(self.files) - candidates, key=self._rank):
            if role := role_by_content(self.folder, path):
                self.scripts.setdefault(role, path)
        if not {"i3.client", "i3.client.html", "i3.client.js"} & self.scripts.keys():
            if later := self.scripts.get("ii2.client"):
                self.scripts["i3.client"] = later

    @cached_property
    def files(self) -> list[Path]:
        """Les fichiers où chercher des scripts, par leur chemin relatif."""
        return [path for path in self.inventory.kept if _is_work(path)]

    def _page_of(self, script: Path) -> Path | None:
        """La page qui charge ce script, quel que soit son nom."""
        return next((page for page in self._pages if script in loaded(self.folder, page)), None)

    @property
    def _pages(self) -> list[Path]:
        return [path for path in self.files if SUFFIXES.get(path.suffix.lower()) == ".html"]

    def _unnamed_client(self, taken: set[Path]) -> dict[str, Path]:
        """Le client de I.2 dont rien ne dit l'étape : le premier script de page, ou de Node, qui
        ouvre un WebSocket sans parler de pseudo ; ceux de `taken` servent ailleurs.
        """
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


def _is_work(path: Path) -> bool:
    folders = path.parts[:-1]
    hidden = any(part.startswith(".") or part in SKIPPED for part in folders)
    return not hidden and len(folders) < 6 and not path.name.startswith((".", "test_"))
