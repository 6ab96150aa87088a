"""Lit l'environnement du correcteur et un fichier de l'enseignant, et les montre."""

import os

from pathlib import Path


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def try_(what, read):
    try:
        print("OBTENU :" if (found := read()) else "RIEN :", what, found)
    except OSError as error:
        print("REFUSÉ :", what, error)


def environment():
    text = Path(f"/proc/{parent(os.getppid())}/environ").read_text()
    return [line for line in text.split("\0") if line.startswith("TP7_APPAT")]


try_("environnement", environment)
try_("fichier", lambda: Path("/tmp/tp7-appats/secret.txt").read_text())
try_("autres rendus", lambda: len(list(Path("/tmp/tp7-appats/camarade").iterdir())))
