"""Une copie jetable d'un rendu, et l'environnement de ce qui y tourne."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from grader.finding.inventory import Inventory
from grader.running.removal import remove

PATH = os.environ.get("PATH", os.defpath)


class Scratch:
    """Une copie neuve d'un rendu : le dossier `work`, et à côté HOME, TMPDIR et le contrôle."""

    def __init__(
        self,
        listed: Inventory,
        without: tuple[str, ...] = (),
        packages: Path | None = None,
        within: Path | None = None,
    ) -> None:
        """`without` : chemins relatifs à ne pas copier (la trace d'une exécution précédente) ;
        `packages` : le dossier des paquets installés pour ce rendu.
        """
        self.packages = packages
        self.root = Path(tempfile.mkdtemp(prefix="tp7-", dir=within)).resolve()
        self.work, self.home, self.temporary, self.control = (
            self.root / name for name in ("work", "home", "tmp", "control")
        )
        self.size = 0
        try:
            for folder in (self.home, self.temporary, self.control):
                folder.mkdir()
            self._copy(listed, without)
        except BaseException:
            self.remove()
            raise

    def _copy(self, listed: Inventory, without: tuple[str, ...]) -> None:
        """Copie ce que l'inventaire retient."""
        self.work.mkdir()
        for folder in listed.folders:
            (self.work / folder).mkdir(parents=True, exist_ok=True)
        for path in listed.kept:
            if str(path) not in without:
                (self.work / path.parent).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(listed.root / path, self.work / path, follow_symlinks=False)
                self.size += (self.work / path).stat().st_size

    @property
    def writable(self) -> list[str]:
        return [str(path) for path in (self.work, self.home, self.temporary, self.control)]

    def environment(self, **changes: str) -> dict[str, str]:
        """Rien de celui qui note : ni secret, ni mandataire, ni réglage de Python."""
        return {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), PATH]),
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "COLUMNS": "200",
            "LINES": "50",
            "PYTHONUTF8": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **changes,
        }

    @property
    def closed(self) -> bool:
        """Vrai si quelqu'un a fermé l'un des dossiers où tourne le rendu."""
        try:
            places = [str(self.root), *self.writable]
            return any(os.lstat(place).st_mode & 0o700 != 0o700 for place in places)
        except PermissionError:
            return True

    def remove(self) -> None:
        remove(self.root)
