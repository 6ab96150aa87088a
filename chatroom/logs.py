"""Le journal du serveur, sur la sortie d'erreur : rien de ce qui s'y passe n'arrête la chatroom."""

import asyncio
import errno
import logging
import os
import sys
import time
from contextlib import suppress
from logging.handlers import QueueHandler
from queue import Queue
from threading import Thread
from typing import Any

WAITING = 1000  # lignes qui attendent d'être lues ; au-delà, elles sont perdues

log = logging.getLogger("chatroom")
lines: Queue[logging.LogRecord] = Queue(WAITING)
muted: dict[str, float] = {}  # jusqu'à quand chaque phrase ne se redit pas


def start_logging() -> None:
    """Règle le journal. Un lecteur parti (`| head`) ou figé ne retient que le fil qui écrit."""
    logging.raiseExceptions = False
    form = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, handlers=[QueueHandler(lines)])
    for library in "websockets", "pymongo":  # une poignée de main ratée n'est pas notre affaire
        logging.getLogger(library).setLevel(logging.CRITICAL)
    if sys.stderr:
        Thread(target=write, args=(sys.stderr.fileno(), sys.stderr.encoding), daemon=True).start()


def write(file: int, encoding: str) -> None:
    """Écrit sans fin ce qui attend, par os.write : à la fin, ce fil ne doit tenir aucun verrou."""
    while True:
        line = f"{lines.get().getMessage()}\n"
        with suppress(OSError):
            os.write(file, line.encode(encoding, "backslashreplace"))
        lines.task_done()


def finish_logging() -> None:
    """Laisse une seconde aux dernières lignes."""
    deadline = time.monotonic() + 1
    while sys.stderr and lines.unfinished_tasks and time.monotonic() < deadline:
        time.sleep(0.01)


def warn_once(sentence: str, *details: object, every: float = 60) -> None:
    """Dit une phrase, mais pas plus souvent : un inconnu peut en causer mille."""
    now = time.monotonic()
    if now >= muted.get(sentence, 0):
        muted[sentence] = now + every
        log.warning(sentence, *details)


def watch_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Dit en une ligne que les descripteurs manquent, là où asyncio en écrit mille."""
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        warn_once("plus de descripteurs (%s) : les nouveaux venus attendent", error.strerror)
    elif "_start_serving" not in context["message"]:  # il réessaie d'écouter, même arrêté
        loop.default_exception_handler(context)
