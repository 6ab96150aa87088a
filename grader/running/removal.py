"""Effacer un dossier où un inconnu a pu écrire."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

SECONDS = 60
# Eux ne se perdent pas dans des milliers de dossiers l'un dans l'autre.
OPENING, REMOVING = ["chmod", "-R", "u+rwX", "--"], ["rm", "-rf", "--"]
_left: set[Path] = set()  # ce qu'un rendu encore en vie refermait à mesure


def remove(folder: Path) -> None:
    """Efface tout, même ce qui a été fermé ou imbriqué exprès ; ne lève rien."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except (OSError, RecursionError):
        for command in (OPENING, REMOVING):
            with suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(
                    [*command, str(folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=SECONDS,
                )
    if os.path.lexists(folder):
        _left.add(folder)


def remove_the_rest() -> None:
    """Efface ce qui ne s'est pas laissé faire la première fois."""
    for folder in list(_left):
        _left.discard(folder)
        remove(folder)
