"""Le poste d'essai d'un rendu : ce qui y ouvre un client, script ou page, et range tout."""

import re

from grader.finding.handin import HandIn
from grader.running.browser import Chromium
from grader.running.launch import Launcher, Ports
from grader.running.page import Page
from grader.running.screen import Door, Screen
from grader.verdict import CouldNotRun

REQUIRED = re.compile(r"""\brequire\s*\(|from\s+["'](ws|node:|readline)|import\s*\(""")
NODE = re.compile(REQUIRED.pattern + r"|\bprocess\.|readline")
PAGE = re.compile(r"\bdocument\.|\bwindow\.|(?<![.\w])(prompt|alert)\s*\(|localStorage")


class Desk:
    def __init__(self, hand_in: HandIn) -> None:
        self.hand_in, self.launcher = hand_in, Launcher(hand_in)
        self._chromium: Chromium | None = None
        self._served: set[str] = set()  # les pages qui ne marchent que servies par HTTP
        self._last: dict[str, Page] = {}

    async def open(self, role: str, door: Door) -> Screen:
        """Ouvre ce client devant cette porte."""
        if role.endswith(".html") or (role.endswith(".js") and self.is_for_pages(role)):
            return await self._open_page(role, door)
        ports = Ports(server=door.port)
        return await self.launcher.client(role, ports, door.pseudo, door.without)

    def is_for_pages(self, role: str) -> bool:
        """Vrai si ce script vit dans une page : il en utilise les objets, et rien de Node."""
        text = self.hand_in.code(role).text
        return not NODE.search(text) if not PAGE.search(text) else not REQUIRED.search(text)

    async def _open_page(self, role: str, door: Door) -> Page:
        if self._chromium is None:
            chromium = Chromium()
            try:
                self._chromium = await chromium.start()
            except CouldNotRun:
                await chromium.close()
                raise
        page = Page(self._chromium, self.hand_in, self.hand_in.scripts[role], door)
        if role in self._last and not self._last[role].connected:
            self._served.add(role)  # du disque elle n'a rien demandé : autrement, peut-être
        self._last[role] = page
        served = role in self._served
        await page.start(served)
        if page.broken and not served and not page.connected:
            await page.end()
            self._served.add(role)
            return await self._open_page(role, door)
        return page

    async def close(self) -> None:
        """Arrête tout ce qui tourne encore."""
        await self.launcher.end_all()
        if self._chromium is not None:
            chromium, self._chromium = self._chromium, None
            await chromium.close()
