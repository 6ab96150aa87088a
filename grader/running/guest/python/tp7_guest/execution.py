"""Ce que l'exécution dit mieux que la lecture du code : coroutines oubliées, fichiers lus."""

import os
import sys
import warnings

from tp7_guest.journal import WORK, is_theirs, note, note_once

real_warn_unawaited = warnings._warn_unawaited_coroutine


def warn_unawaited(coroutine):
    """Appelé par Python quand une coroutine disparaît sans avoir été attendue."""
    name, place = coroutine.__qualname__, {}
    for file, line, function in getattr(coroutine, "cr_origin", None) or ():
        if is_theirs(file):
            place = {"file": os.path.basename(file), "line": line}
            break
        name = f"{name.rpartition('.')[0]}.{function}"  # celle qu'ils ont appelée : Redis.set
    code = coroutine.cr_code
    note(
        "unawaited",
        name=name,
        module=os.path.splitext(os.path.basename(code.co_filename))[0],
        library=library_of(code.co_filename),
        **place,
    )
    real_warn_unawaited(coroutine)


def library_of(filename):
    parts = filename.replace("\\", "/").split("/site-packages/")
    return parts[1].split("/")[0] if len(parts) > 1 else "" if is_theirs(filename) else "stdlib"


def watch_files(event, arguments):
    """Note les fichiers de données ouverts : la trace d'une exécution d'avant compte."""
    if event != "open" or not isinstance(arguments[0], (str, bytes)):
        return
    path = os.path.abspath(os.fsdecode(arguments[0]))
    if path.startswith(WORK + os.sep) and not path.endswith((".py", ".pyc")):
        note_once("file", path, path=os.path.relpath(path, WORK))


def install():
    warnings._warn_unawaited_coroutine = warn_unawaited
    sys.set_coroutine_origin_tracking_depth(6)
    sys.addaudithook(watch_files)
