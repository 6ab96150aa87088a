"""Ce qu'un enseignant reçoit : des dossiers, des archives, des scripts, une classe de Moodle.

Tout est regardé avant de noter : ce qui ne peut pas l'être se dit d'abord.
"""

import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from grader.finding.archives import Opened, Unreadable, is_archive, stem, unpack
from grader.finding.handin import HandIn
from grader.finding.inventory import Budget, inventory
from grader.finding.names import SUFFIXES
from grader.text import quoted

# « Nom Prénom_1234_assignsubmission_file_ », un dossier, ou devant le nom de chaque fichier.
MOODLE = re.compile(
    r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<own>.*)"
)
REMOTE = re.compile(r"[a-z][a-z+]*://|git@|[\w.-]+@[\w.-]+:", re.I)
ROUNDS, ARCHIVES = 3, 10  # une archive dans une archive dans une archive ; pas plus de dix
Notice = tuple[str, dict[str, Any]]  # une clé [notices] de checks.toml, et ses paramètres
SHOWN = 8  # fichiers nommés quand il n'y a rien du TP


class Unusable(Exception):
    """Ceci ne se note pas : la clé de la phrase, et ses paramètres."""

    def __init__(self, key: str, **params: str):
        super().__init__(key)
        self.key, self.params = key, params


@dataclass
class HandedIn:
    """Le rendu d'un étudiant. `shown` : son nom, rien d'invisible ; `file` : celui de ses pages.

    `notices` : ce que ses comptes rendus disent avant sa note, et le terminal avant de noter.
    """

    shown: str
    source: Path  # ce que l'enseignant a donné
    number: str = ""  # celui de Moodle
    parts: list[Path] = field(default_factory=list)  # s'il faut les réunir, ou les ouvrir
    file: str = ""
    folder: Path = Path()  # ce qui est noté
    unread: str = ""  # pourquoi une archive ne s'est pas ouverte
    packages: Path | None = None
    is_of_the_lab: bool = True  # on y a trouvé de quoi noter, ou ce qui n'a pas pu s'ouvrir
    notices: list[Notice] = field(default_factory=list)

    def hand_in(self) -> HandIn:
        return HandIn(self.folder, self.unread, self.packages)

    def travel(self) -> dict[str, Any]:
        """De quoi le refaire dans un autre processus."""
        return {
            name: os.fsencode(value) if isinstance(value, Path) else value
            for name, value in asdict(self).items()
            if name != "parts"
        }

    @classmethod
    def arrived(cls, data: dict[str, Any]) -> "HandedIn":
        paths = {
            name: Path(os.fsdecode(value))
            for name, value in data.items()
            if isinstance(value, bytes)
        }
        return cls(**data | paths)


# --- Ce qui est donné -----------------------------------------------------------------------------


def received(alone: Iterable[str], classes: Iterable[str], place: Path) -> list[HandedIn]:
    """Tous les rendus donnés, prêts à noter, ouverts dans `place` ; lève Unusable."""
    given = [_one(text) for text in alone]
    for number, text in enumerate(classes):
        given += _class(text, place / f"classe-{number}")
    students = list({student.source.resolve(): student for student in given}.values())
    _name(students)
    for student in students:
        _prepare(student, place / student.file)
    return students


def _there(text: str) -> Path:
    if REMOTE.match(text):
        raise Unusable("remote", place=text)
    path = Path(text)
    if not path.exists():
        raise Unusable("missing", place=quoted(text))
    return path


def _one(text: str) -> HandedIn:
    """Un dossier, une archive, ou un script seul."""
    path = _there(text)
    if not (path.is_dir() or is_archive(path) or path.suffix.lower() in SUFFIXES):
        raise Unusable("not_hand_in", place=quoted(text))
    name = path.resolve().name if path.is_dir() else stem(path)
    moodle = MOODLE.fullmatch(name)
    return HandedIn(
        moodle["name"] if moodle else name, path, moodle["number"] if moodle else "", [path]
    )


def _class(text: str, place: Path) -> list[HandedIn]:
    """Un rendu par entrée ; Moodle en donne plusieurs au même étudiant, qui se réunissent."""
    folder = _there(text)
    if folder.is_file() and is_archive(folder):
        try:
            unpack(folder, place, Budget(files=100_000, bytes=2_000_000_000))
        except Unreadable as error:
            raise Unusable("broken_class", place=quoted(text), error=quoted(str(error))) from None
        folder = place
    if not folder.is_dir():
        raise Unusable("not_class", place=quoted(text))
    students: dict[tuple[str, str], HandedIn] = {}
    for path in sorted(folder.iterdir()):
        moodle = MOODLE.fullmatch(path.name)
        if (
            path.is_symlink()
            or path.name[0] in "._"
            or not (moodle or path.is_dir() or is_archive(path))
        ):
            continue
        name = path.name if path.is_dir() else stem(path)
        key = (moodle["name"], moodle["number"]) if moodle else (name, "")
        students.setdefault(key, HandedIn(key[0], path, key[1])).parts.append(path)
    if not students:
        raise Unusable(
            "scripts_in_class" if HandIn(folder).scripts else "empty_class", place=quoted(text)
        )
    return list(students.values())


# --- Les noms -------------------------------------------------------------------------------------


def _name(students: list[HandedIn]) -> None:
    """À chacun un nom qui se lit, et un nom de fichier à lui, même sur un disque sans casse."""
    names = [student.shown for student in students]
    files: set[str] = set()
    for student, name in zip(students, names, strict=True):
        if names.count(name) > 1:
            name = f"{student.source.resolve().parent.name}/{name}"
        student.shown = quoted(name)
        plain = unicodedata.normalize("NFC", student.shown)
        base = re.sub(r"[^\w.-]+", "_", plain).strip(".")[:80] or "rendu"
        student.file = next(free for free in _numbered(base) if free.casefold() not in files)
        files.add(student.file.casefold())


def _numbered(base: str) -> Iterator[str]:
    yield base
    number = 2
    while True:
        yield f"{base}-{number}"
        number += 1


# --- Ce qui est noté ------------------------------------------------------------------------------


def _prepare(student: HandedIn, place: Path) -> None:
    """Le dossier à noter : celui qui est donné s'il suffit, sinon une réunion de tout."""
    alone = student.parts[0]
    if len(student.parts) == 1 and alone.is_dir() and not _archives(alone):
        student.folder = alone
    else:
        student.folder = place
        place.mkdir(parents=True)
        _gather(student)
    _tell(student)


def _archives(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir())
            if is_archive(path) and path.is_file() and not path.is_symlink()]  # fmt: skip


def _gather(student: HandedIn) -> None:
    """Réunit les parts d'un rendu dans son dossier, et ouvre les archives qui s'y trouvent."""
    archives: list[Path] = []
    for part in student.parts:
        if part.is_dir():
            archives += _archives(part)
            for path in set(inventory(part).kept) - {one.relative_to(part) for one in archives}:
                _copy(part / path, student.folder / path)
        elif is_archive(part):
            archives.append(part)
        else:
            moodle = MOODLE.fullmatch(part.name)
            _copy(part, student.folder / ((moodle and moodle["own"]) or part.name))
    budget, total = Budget(), Opened()
    for _ in range(ROUNDS):
        for archive in archives[:ARCHIVES]:
            _open(student, archive, budget, total, alone=len(archives) == 1)
        archives = _archives(student.folder)
    for key, count in (("outside", total.outside), ("files_left", total.left)):
        if count:
            student.notices.append((key, {"count": count}))
    if student.unread:
        student.notices.append(("unread", {"what": student.unread}))


def _open(student: HandedIn, archive: Path, budget: Budget, total: Opened, *, alone: bool) -> None:
    """Ouvre une archive dans le dossier du rendu ; seule, elle y est tout le rendu."""
    target = student.folder if alone else student.folder / stem(archive)
    try:
        opened = unpack(archive, target, budget)
    except Unreadable as error:
        _unread(student, f"{archive.name} ({error})")
    else:
        total.outside += opened.outside
        total.left += opened.left
        for path in opened.lost:
            _unread(student, f"{archive.name}/{path}")
    if student.folder in archive.parents:  # la nôtre, venue d'une autre archive
        archive.unlink()


def _unread(student: HandedIn, what: str) -> None:
    student.unread = ", ".join(filter(None, [student.unread, quoted(what)]))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target, follow_symlinks=False)


def _tell(student: HandedIn) -> None:
    """Ce que ses comptes rendus diront d'abord : ce qui est laissé, ou qu'il n'y a rien du TP."""
    hand_in = student.hand_in()
    listed = hand_in.inventory
    if listed.files_left:
        student.notices.append(("files_left", {"count": listed.files_left}))
    if listed.folders_left:
        names = ", ".join(quoted(str(path)) for path in listed.folders_left[:SHOWN])
        student.notices.append(("folders_left", {"names": names}))
    student.is_of_the_lab = bool(hand_in.scripts or student.unread)
    if not student.is_of_the_lab:
        names = ", ".join(quoted(str(path)) for path in listed.kept[:SHOWN]) or "—"
        student.notices.append(("nothing", {"names": names}))
