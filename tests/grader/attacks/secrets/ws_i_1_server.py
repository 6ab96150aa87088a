"""Lit l'environnement du correcteur, un fichier de l'enseignant, un autre rendu, et les montre."""

from pathlib import Path

BAIT = Path("@APPATS@")


def environment():
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found = (process / "environ").read_text()
        except OSError:
            continue
        if "TP7_APPAT" in found:
            return found[found.index("TP7_APPAT") :][:40]
    raise OSError("aucun environnement ne se lit")


for name, read in (
    ("environnement", environment),
    ("fichier", (BAIT / "secret.txt").read_text),
    ("camarade", (BAIT / "camarade" / "ws_i_1_server.py").read_text),
):
    try:
        print("OBTENU :", name, repr(read()[:40]))
    except OSError as error:
        print("REFUSÉ :", name, error)
