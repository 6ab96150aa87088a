"""Le clavier et l'écran du client : dans un vrai terminal, `prompt_toolkit` tient ta ligne en bas ;
ailleurs (tube, fichier, TERM=dumb), des lignes simples, sans aucune séquence d'échappement."""

import asyncio
import os
import re
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from zlib import crc32

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.patch_stdout import patch_stdout

from .text import clean_message

COLORS = 33, 37, 71, 103, 133, 136, 166, 168  # de 256, lisibles sur fond clair ou foncé
NAMED = re.compile(r"(\[[\d/ :]+\] (?:Annonce : )?)(.+?)( a (?:dit|rejoint|quitté) .*| est de .*)")


def is_rich() -> bool:
    """Dit si le curseur peut bouger : un vrai terminal, au clavier et à l'écran."""
    known = os.name == "nt" or os.environ.get("TERM", "") not in ("", "dumb", "unknown")
    return known and sys.stdin.isatty() and sys.stdout.isatty()


def show(line: str) -> None:
    """Écrit une ligne, son pseudo en couleur ; si plus personne ne lit (`| head`), s'arrête."""
    found = NAMED.fullmatch(line)
    if found and is_rich() and not os.environ.get("NO_COLOR"):
        before, pseudo, after = found.groups()
        color = COLORS[crc32(pseudo.encode()) % len(COLORS)]
        line = f"{before}\x1b[38;5;{color}m{pseudo}\x1b[0m{after}"
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os._exit(1)  # tout de suite : Python voudrait encore écrire


async def edit_lines(take: Callable[[str], None]) -> None:
    """Ouvre une seule ligne, qui se modifie, pour toute la visite : Entrée la vide."""
    session: PromptSession[str] = PromptSession("> ", erase_when_done=True, enable_suspend=True)

    def accept(buffer: Buffer) -> bool:
        for line in filter(None, map(clean_message, buffer.text.split("\n"))):
            take(line)  # plusieurs, si elles ont été collées
        return False  # la ligne se vide, et s'ouvre encore

    session.default_buffer.accept_handler = accept
    # Sinon le terminal écrirait lui-même, au milieu d'un message, la touche qui vient alors.
    session.input.cooked_mode = session.input.raw_mode  # type: ignore[method-assign]
    with suppress(EOFError, KeyboardInterrupt), patch_stdout(raw=True):
        await session.prompt_async()


async def read_lines(take: Callable[[str], None]) -> None:
    """Lit dans un fil démon : il n'empêche pas de finir, `to_thread` si."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def read() -> None:
        with suppress(RuntimeError):  # le client est déjà parti
            for line in filter(None, map(clean_message, sys.stdin)):
                loop.call_soon_threadsafe(take, line)
            loop.call_soon_threadsafe(over.set)

    threading.Thread(target=read, daemon=True).start()
    await over.wait()
