"""Chromium, enfermé et compté, pour les pages d'un rendu."""

import asyncio
import os
import shlex
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from grader.clock import patience
from grader.running.bubblewrap import around, seen
from grader.running.enclosure import current
from grader.running.kernel import descendants, usage
from grader.running.removal import remove
from grader.verdict import Came, CouldNotRun, Remark

if TYPE_CHECKING:
    from playwright.async_api import Browser, Playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# Sans eux Chromium appelle ses serveurs à lui, et root n'a pas droit au bac à sable.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Rien de celui qui note ; HOME est dans sa bulle s'il en a une.
ENVIRONMENT: dict[str, str | float | bool] = {
    "PATH": os.environ.get("PATH", os.defpath), "HOME": tempfile.gettempdir(), "LANG": "C.UTF-8",
}  # fmt: skip
ROOM = 500_000_000  # octets de disque, pour son profil
MEMORY = 3_000_000_000  # octets résidents ; ses processus en partagent une grande part


class Chromium:
    """Un navigateur sous garde, pour la durée d'une part du travail.

    `folder` est tout ce qu'il voit de la machine, avec de quoi tourner : les copies du rendu.
    """

    playwright: "Playwright"
    browser: "Browser"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tp7-")).resolve()
        self._enclosure = current()

    async def start(self) -> Self:
        """Lève CouldNotRun s'il manque ; il faut alors aussi le fermer."""
        try:
            from playwright.async_api import Error, async_playwright
        except ImportError as error:
            raise CouldNotRun(Came.NO_BROWSER, error=str(error)) from None
        path = next(filter(None, map(shutil.which, PROGRAMS)), None)
        if path is None:
            raise CouldNotRun(Came.NO_BROWSER, error="sudo apt install chromium")
        self.playwright = await async_playwright().start()
        try:
            self.browser = await self.playwright.chromium.launch(
                executable_path=self._launcher(path), args=FLAGS, env=ENVIRONMENT
            )
        except Error as error:
            raise CouldNotRun(Came.NO_BROWSER, error=str(error)[:200]) from None
        self._watching = asyncio.create_task(self._watch())
        return self

    def _launcher(self, path: str) -> Path:
        """Ce que Playwright lancera : le navigateur, enfermé, qui écrit d'abord son numéro."""
        places = [*seen(self.folder), *seen(around(path))]
        command = shlex.join([*self._enclosure.shut(places, ROOM), path])
        script = self.folder / "navigateur"
        script.write_text(f'#!/bin/sh\necho $$ > {self._number}\nexec {command} "$@"\n')
        script.chmod(0o700)
        return script

    @property
    def _number(self) -> Path:
        return self.folder / "numero"

    async def _watch(self) -> None:
        """L'arrête si ses pages prennent trop de mémoire."""
        root = int(self._number.read_text())
        while (taken := usage(root)).processes:
            if taken.memory > MEMORY:
                self._enclosure.cut(Remark.CUT_MEMORY, limit=str(MEMORY // 1_000_000))
                for pid in (*descendants(root), root):
                    with suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.2)

    async def close(self) -> None:
        if hasattr(self, "browser"):
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            with suppress(Exception):  # déjà mort : il n'y a plus rien à fermer
                async with asyncio.timeout(10 * patience()):
                    await self.browser.close()
        if hasattr(self, "playwright"):
            await self.playwright.stop()
        remove(self.folder)
