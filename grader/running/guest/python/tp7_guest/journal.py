"""Le journal : une ligne JSON par fait, pour que le rapport puisse dire ce qui s'est passé."""

import json
import os
import sys
import threading

CONTROL = os.environ.get("TP7_CONTROL", "")
WORK = os.environ.get("TP7_WORK", "")
lock = threading.RLock()
noted = set()


def note(kind, /, **facts):
    """Ajoute un fait au journal du correcteur ; s'il a disparu, tant pis."""
    line = json.dumps({"event": kind, **facts}, default=str) + "\n"
    try:
        with lock, open(os.path.join(CONTROL, "events"), "a", encoding="utf-8") as file:
            file.write(line)
    except OSError:
        pass


def note_once(kind, *sort, **facts):
    """Un fait qui se répète n'est noté qu'une fois ; `sort` dit ce qui en fait un autre."""
    if (kind, *sort) not in noted:
        noted.add((kind, *sort))
        note(kind, **facts)


def remark(key, **facts):
    """Une remarque qui ne coûte rien, une seule fois par sorte."""
    note_once("remark", key, key=key, **facts)


def where():
    """Le fichier et la ligne de l'étudiant d'où vient l'appel en cours."""
    frame = sys._getframe(1)
    while frame:
        if is_theirs(frame.f_code.co_filename):
            return {"file": os.path.basename(frame.f_code.co_filename), "line": frame.f_lineno}
        frame = frame.f_back
    return {}


def is_theirs(filename):
    path = os.path.abspath(filename) if filename and filename[0] != "<" else ""
    return path.startswith(WORK + os.sep) and "site-packages" not in path
