"""Ouvrir une archive sans s'y fier : rien hors du dossier, aucun lien, des tailles bornées.

Une archive ne dit pas la vérité sur elle-même : c'est ce qui en sort que l'on compte.
"""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from grader.finding.inventory import BAGGAGE, Budget, choose
from grader.finding.names import ROLES, role_of

OPENED = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
CLOSED = (".rar", ".7z", ".ace", ".zst", ".gz", ".xz", ".bz2")  # des archives que l'on n'ouvre pas
MAX_ARCHIVE, MAX_TAR = 200_000_000, 500_000_000  # octets, tels quels et décompressés
PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


class Unreadable(Exception):
    """L'archive ne s'ouvre pas ; le texte dit pourquoi."""


@dataclass
class Opened:
    """Ce que l'on n'a pas pris d'une archive."""

    outside: int = 0  # des chemins qui sortaient du dossier, ou des liens
    left: int = 0  # trop gros, trop nombreux, ou illisibles
    lost: list[Path] = field(default_factory=list)  # ceux des laissés qui sont des scripts du TP

    def leave(self, path: Path) -> None:
        self.left += 1
        if role_of(path) in ROLES:
            self.lost.append(path)


def is_archive(path: Path) -> bool:
    return path.name.lower().endswith((*OPENED, *CLOSED))


def stem(path: Path) -> str:
    """Le nom d'une archive sans ce qui dit sa sorte : « TP.tar.gz » -> « TP »."""
    endings = sorted((*OPENED, *CLOSED), key=len, reverse=True)
    found = next((end for end in endings if path.name.lower().endswith(end)), "")
    return path.name[: len(path.name) - len(found)] or path.name


def unpack(archive: Path, folder: Path, budget: Budget) -> Opened:
    """Ouvre cette archive dans ce dossier ; lève Unreadable."""
    if not archive.name.lower().endswith(OPENED):
        raise Unreadable(archive.suffix)
    if archive.stat().st_size > MAX_ARCHIVE:
        raise Unreadable(f"> {MAX_ARCHIVE // 1_000_000} Mo")
    try:
        if archive.name.lower().endswith(".zip"):
            return _unzip(archive, folder, budget)
        return _untar(archive, folder, budget)
    except Exception as error:  # un fichier fait exprès peut lever n'importe quoi
        raise Unreadable(f"{type(error).__name__}: {error}") from None


def safe(name: str) -> Path | None:
    """Le chemin relatif d'une entrée, ou None s'il mène hors du dossier."""
    name = name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or name.startswith("/") or ".." in parts or parts[0].endswith(":"):
        return None
    return Path(*parts)


def _unzip(archive: Path, folder: Path, budget: Budget) -> Opened:
    with zipfile.ZipFile(archive) as source:
        result = Opened()
        files = [one for one in source.infolist() if not one.is_dir()]
        if any(one.flag_bits & 1 for one in files):
            raise ValueError("mot de passe / password")
        inside: dict[Path, zipfile.ZipInfo] = {}
        for one in files:
            path = safe(one.filename)
            if path is None or stat.S_ISLNK(one.external_attr >> 16):
                result.outside += 1
            elif not BAGGAGE & set(path.parts[:-1]):
                inside[path] = one
        chosen = choose({path: one.file_size for path, one in inside.items()}, budget)
        for path in inside.keys() - set(chosen):
            result.leave(path)
        for path in chosen:
            if not _write(source, inside[path], folder / path):
                result.leave(path)
        return result


def _write(source: zipfile.ZipFile, one: zipfile.ZipInfo, target: Path) -> bool:
    """Écrit une entrée ; dit si elle était lisible."""
    try:
        with source.open(one) as stream:
            return _save(stream, one.file_size, target)
    except Exception:  # abîmée, ou d'une compression inconnue : les autres se lisent peut-être
        return False


def _save(stream: IO[bytes], size: int, target: Path) -> bool:
    """Écrit ce qui vient, pas plus que la taille annoncée."""
    data = stream.read(size + 1)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    except OSError:  # un nom trop long, ou celui d'un dossier déjà là
        return False
    return len(data) <= size


def _untar(archive: Path, folder: Path, budget: Budget) -> Opened:
    """En deux lectures : choisir, les scripts d'abord, puis prendre."""
    result, sizes = Opened(), dict[Path, int]()
    for member, _ in _members(archive):
        path = safe(member.name)
        if path is None or not (member.isreg() or member.isdir()):
            result.outside += 1
        elif member.isreg() and not BAGGAGE & set(path.parts[:-1]):
            sizes[path] = member.size
    chosen = set(choose(sizes, budget))
    for member, tar in _members(archive):
        path = safe(member.name)
        if path in chosen and (stream := tar.extractfile(member)):
            if not _save(stream, member.size, folder / path):
                result.leave(path)
    for path in sizes.keys() - chosen:
        result.leave(path)
    return result


def _members(archive: Path) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    with archive.open("rb") as raw:
        head = raw.read(6)
        raw.seek(0)
        unpacked = next(
            (opener for magic, opener in PACKED.items() if head.startswith(magic)), None
        )
        stream = _Bounded(unpacked(raw) if unpacked else raw)
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                yield member, tar


class _Bounded(io.RawIOBase):
    """Un flux qui refuse de se décompresser sans fin."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._left = stream, MAX_TAR

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"> {MAX_TAR // 1_000_000} Mo")
        return data
