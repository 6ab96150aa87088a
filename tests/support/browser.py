"""Un vrai Chromium, conduit par Playwright, et nos pages ouvertes depuis le disque."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest

from support.processes import PATIENCE, ROOT

try:
    from playwright.sync_api import Browser, Page, expect, sync_playwright
except ImportError:
    Browser = Page = expect = sync_playwright = None

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
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# Ce que Chromium écrit lui-même quand un serveur s'en va : la page n'y peut rien.
LOST_SERVER = "WebSocket connection to"


def missing_browser() -> str | None:
    """Dit ce qu'il faut installer pour les tests de pages, ou None si tout est là."""
    if sync_playwright is None:
        return "playwright n'est pas installé : `pip install playwright` active ce test"
    if not any(map(shutil.which, PROGRAMS)):
        return "Chromium n'est pas installé : `sudo apt install chromium` (ou dnf) active ce test"
    return None


@contextmanager
def chromium() -> Iterator[Browser]:
    """Lance Chromium pour la durée du bloc ; saute le test s'il manque.

    L'API synchrone de Playwright occupe la boucle asyncio du fil : pas dans un test `async`.
    """
    if reason := missing_browser():
        pytest.skip(reason)
    expect.set_options(timeout=10_000 * PATIENCE)
    path = next(filter(None, map(shutil.which, PROGRAMS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Profile:
    """Un navigateur neuf (ni session ni réglage d'un autre test), qui peut avoir plusieurs onglets.

    `options` sont celles de `Browser.new_context` : `viewport`, `color_scheme`… À la fin,
    `check()` refuse la moindre erreur d'une page ou de sa console.
    """

    def __init__(self, browser: Browser, **options):
        self.errors: list[str] = []
        self._context = browser.new_context(locale="fr-FR", **options)
        self._context.set_default_timeout(10_000 * PATIENCE)
        self._context.on("weberror", lambda error: self.errors.append(str(error.error)))
        self._context.on("console", self._note)

    def _note(self, message) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(LOST_SERVER):
            self.errors.append(message.text)

    def open(self, name: str, fragment: str = "", **query: str | int) -> Page:
        """Ouvre dans un nouvel onglet la page `name` du dépôt, par `file://`."""
        page = self._context.new_page()
        url = (ROOT / name).as_uri()
        if query:
            url += "?" + urlencode(query)
        if fragment:
            url += "#" + fragment
        page.goto(url)
        return page

    def check(self) -> None:
        self._context.close()
        assert not self.errors, "\n".join(["erreurs dans la page :", *self.errors])
