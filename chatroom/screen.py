"""Le clavier et l'écran du client : ce que tu tapes, ce qui s'affiche pendant que tu tapes.

Dans un vrai terminal, `prompt_toolkit` tient ta ligne en bas. Partout ailleurs (tube, fichier,
TERM=dumb), on lit et on écrit des lignes simples, sans aucune séquence d'échappement.
"""

import asyncio
import os
import re
import sys
import threading
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


def paint(line: str) -> str:
    """Donne au pseudo d'une ligne sa couleur, toujours la même."""
    if not (found := NAMED.fullmatch(line)) or os.environ.get("NO_COLOR") or not is_rich():
        return line
    before, pseudo, after = found.groups()
    color = COLORS[crc32(pseudo.encode()) % len(COLORS)]
    return f"{before}\x1b[38;5;{color}m{pseudo}\x1b[0m{after}"


def show(text: str) -> None:
    """Écrit une ligne ; si plus personne ne la lit (`| head`), le client s'arrête."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


class Keyboard:
    """`typed` : les messages tapés qui attendent de partir, puis "" à la fin de l'entrée."""

    def __init__(self) -> None:
        self.typed: asyncio.Queue[str] = asyncio.Queue()
        self._answer: asyncio.Future[str] = asyncio.Future()

    async def ask(self, question: str) -> str:
        """Pose une question ; rend la prochaine ligne tapée, "" à la fin de l'entrée."""
        show(question)
        self._answer = asyncio.Future()
        return await self._answer

    def take(self, line: str) -> None:
        """Prend une ligne tapée, réponse ou message, sauf si elle est blanche ; "" est la fin."""
        text = clean_message(line)
        if line and not text:
            return
        if self._answer.done():
            self.typed.put_nowait(text)
        else:
            self._answer.set_result(text)

    async def read(self) -> None:
        """Prend tout ce qui se tape, jusqu'à Ctrl+D, Ctrl+C ou la fin de l'entrée."""
        with suppress(EOFError, KeyboardInterrupt):
            await (self._edit_lines() if is_rich() else self._read_lines())
        self.take("")

    async def _edit_lines(self) -> None:
        """Ouvre une seule ligne, qui se modifie, pour toute la visite : Entrée la vide."""
        session: PromptSession[str] = PromptSession("> ", erase_when_done=True, enable_suspend=True)

        def accept(buffer: Buffer) -> bool:
            for line in buffer.text.split("\n"):  # plusieurs, si elles ont été collées
                self.take(line + "\n")
            return False  # la ligne se vide, et s'ouvre encore

        session.default_buffer.accept_handler = accept
        # Sinon le terminal écrirait lui-même, au milieu d'un message, la touche qui vient alors.
        session.input.cooked_mode = session.input.raw_mode  # type: ignore[method-assign]
        with patch_stdout(raw=True):  # ce qui s'écrit passe au-dessus de la ligne
            await session.prompt_async()

    async def _read_lines(self) -> None:
        """Lit dans un fil démon : il n'empêche pas de finir, `to_thread` si."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def read() -> None:
            with suppress(RuntimeError):  # le client est déjà parti
                for line in sys.stdin:
                    loop.call_soon_threadsafe(self.take, line)
                loop.call_soon_threadsafe(over.set)

        threading.Thread(target=read, daemon=True).start()
        await over.wait()
