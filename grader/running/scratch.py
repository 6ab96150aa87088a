"""Une copie jetable d'un rendu, et l'environnement de ce qui y tourne."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from grader.finding.code import MAX_FILE
from grader.finding.handin import BAGGAGE

MAX_FILES = 20_000
PATH = os.environ.get("PATH", os.defpath)


class Scratch:
    """Une copie neuve d'un rendu : le dossier `work`, et à côté HOME, TMPDIR et le contrôle."""

    def __init__(self, hand_in: Path, without: tuple[str, ...] = ()) -> None:
        """`without` : chemins relatifs à ne pas copier (la trace d'une exécution précédente)."""
        self.root = Path(tempfile.mkdtemp(prefix="tp7-")).resolve()
        self.work, self.home, self.temporary, self.control = (
            self.root / name for name in ("work", "home", "tmp", "control")
        )
        for folder in (self.home, self.temporary, self.control):
            folder.mkdir()
        self._count = 0
        self._copy(hand_in, self.work, {hand_in / name for name in without})

    def _copy(self, source: Path, target: Path, without: set[Path]) -> None:
        """Copie les fichiers ordinaires ; un lien symbolique mènerait hors du rendu."""
        target.mkdir()
        for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
            path = Path(entry.path)
            if entry.is_symlink() or path in without:
                continue
            if entry.is_dir():
                if entry.name not in BAGGAGE:
                    self._copy(path, target / entry.name, without)
            elif entry.is_file() and entry.stat().st_size <= MAX_FILE and self._count < MAX_FILES:
                self._count += 1
                shutil.copyfile(path, target / entry.name)

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

    def remove(self) -> None:
        for folder, _, _ in os.walk(self.root):
            os.chmod(folder, 0o700)
        shutil.rmtree(self.root, ignore_errors=True)
