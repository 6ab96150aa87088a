"""Une page d'étudiant, pilotée comme le ferait une personne qui la découvre.

Elle se conduit comme un Program : `output` est ce qui se lit à l'écran, `tell()` y répond.
"""

import asyncio
import functools
import http.server
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from grader.clock import patience, still, until
from grader.finding.handin import HandIn
from grader.running.browser import Chromium
from grader.running.enclosure import current
from grader.running.hand import Hand
from grader.running.mirror import KINDS, file_of
from grader.running.program import QUESTION
from grader.running.scratch import Scratch
from grader.running.screen import Door
from grader.verdict import Event, Note, Remark

if TYPE_CHECKING:
    from playwright.async_api import ConsoleMessage, Dialog, Error, ProxySettings, Route
    from playwright.async_api import Page as Playwright

GUEST = Path(__file__).parent / "guest"
TEXT, SIGNS = ((GUEST / name).read_text("utf-8") for name in ("text.js", "signs.js"))
LOOK = f"() => [({TEXT})(), ({SIGNS})(), window.__tp7?.asked.length ?? 0]"
NOWHERE = 1  # un port où personne n'écoute
MODULE = re.compile(r"^[ \t]*(import|export)\b", re.M)
EMPTY = """<!doctype html><meta charset="utf-8"><title>TP7</title><body>
<script{kind} src="{script}"></script>"""


class Page:
    """Une page ouverte depuis une copie neuve : celle du rendu, ou une vide pour un script seul."""

    def __init__(self, chromium: Chromium, hand_in: HandIn, script: Path, door: Door) -> None:
        self.scratch = Scratch(hand_in.inventory, within=chromium.folder)
        self.script, self.door, self._packages = script, door, hand_in.packages
        self._chromium = chromium
        self.events: list[Event] = []
        self.remarks: list[Note] = []
        self.raw = ""  # console, alertes et questions, dans l'ordre
        self.broken = ""
        self.lacks = ""
        self._seen, self._asked, self.signs = "", 0, ""
        self._prompts: asyncio.Queue[Dialog] = asyncio.Queue()
        self._server: http.server.ThreadingHTTPServer | None = None
        self._hand = Hand(self._done, hand_in.inside.get(script, Path()).name)

    async def start(self, served: bool) -> None:
        """`served` : ouverte par HTTP plutôt que depuis le disque."""
        target = self._target()
        url = self._serve(target) if served else target.as_uri()
        self._context = await self._chromium.browser.new_context(
            locale="fr-FR", proxy=self._proxy()
        )
        await self._context.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), self._fetch)
        guest = (GUEST / "page.js").read_text("utf-8").replace(":PORT", f":{self.door.port}")
        await self._context.add_init_script(guest)
        self._context.on("page", self._look_at)
        self._look_at(await self._context.new_page())
        self._loading = asyncio.create_task(self._load(url))
        await asyncio.wait([self._loading], timeout=3 * patience())
        self._watching = asyncio.create_task(self._watch())
        await asyncio.sleep(0.2)

    def _proxy(self) -> "ProxySettings":
        """Un mandataire qui n'existe pas, sauf pour le serveur du test et pour son propre dossier :
        ni un `fetch`, ni un Worker, ni une WebSocket ne joignent autre chose.
        """
        served = self._server.server_port if self._server else self.door.port
        reached = ",".join(f"127.0.0.1:{port}" for port in {self.door.port, served})
        return {"server": f"http://127.0.0.1:{NOWHERE}", "bypass": f"<-loopback>,{reached}"}

    def _target(self) -> Path:
        """La page à ouvrir ; un script seul en reçoit une vide."""
        script = self.scratch.work / self.script
        if script.suffix.lower() in (".html", ".htm"):
            return script
        module = MODULE.search(script.read_text("utf-8", "replace"))
        kind = ' type="module"' if module else ""
        page = script.with_name("tp7-page-vide.html")
        page.write_text(EMPTY.format(kind=kind, script=quote(os.fsencode(script.name))), "utf-8")
        return page

    async def _load(self, url: str) -> None:
        try:
            await self.page.goto(url, wait_until="load", timeout=15_000 * patience())
        except Exception as error:
            self.broken = str(error)

    def _serve(self, target: Path) -> str:
        """Sert le dossier du rendu par HTTP, comme un module ou un `fetch` l'exigent."""

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

        handler = functools.partial(Quiet, directory=str(self.scratch.work))
        listener = current().network.listener()
        server = http.server.ThreadingHTTPServer(listener.getsockname(), handler, False)
        server.socket.close()
        server.socket, server.server_port = listener, listener.getsockname()[1]
        self._server = server
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.remarks.append((Remark.SERVED_OVER_HTTP, {}))
        path = target.relative_to(self.scratch.work).as_posix()
        return f"http://127.0.0.1:{self._server.server_port}/{quote(os.fsencode(path))}"

    def _look_at(self, page: "Playwright") -> None:
        """L'onglet qui vient de s'ouvrir passe devant les autres."""
        if getattr(self, "page", None) is not page:
            self.page = page
            page.on("dialog", self._dialog)
            page.on("console", self._noted)
            page.on("pageerror", self._failed)

    def _noted(self, message: "ConsoleMessage") -> None:
        """Ce que la page écrit dans la console ; sans argument, c'est le navigateur qui parle."""
        text = message.text
        if message.args:
            self._note(text)
        elif "integrity" in text and (altered := re.search(r"https?://[^\s']+", text)):
            self.lacks = self.lacks or altered[0]  # le paquet n'est pas au bit près celui du miroir
        elif "CORS" in text or "blocked by" in text or "ERR_FAILED" in text:
            self.broken = text

    def _note(self, text: str) -> None:
        self.raw += text + "\n"

    def _failed(self, error: "Error") -> None:
        self._note(f"{error.name}: {error.message}")

    async def _dialog(self, dialog: "Dialog") -> None:
        self.raw += dialog.message + "\n"
        try:
            if dialog.type == "prompt":
                self._asking = dialog.message
                self._prompts.put_nowait(dialog)
            else:
                await dialog.accept()
        except Exception:  # la page a pu se fermer entre-temps
            pass

    async def _watch(self) -> None:
        """Relit la page sans cesse ; pendant un `prompt()` elle ne répond pas."""
        while True:
            try:
                async with asyncio.timeout(2):
                    self._seen, self.signs, self._asked = await self.page.evaluate(LOOK)
            except Exception:  # page figée ou en train de changer : on retentera
                pass
            await asyncio.sleep(0.06)

    @property
    def output(self) -> str:
        return self.raw + self._seen

    @property
    def alive(self) -> bool:
        return not self.page.is_closed()

    @property
    def connected(self) -> bool:
        return self._asked > 0

    @property
    def question(self) -> str:
        """La question de `prompt()` qui attend une réponse."""
        return "" if self._prompts.empty() else self._asking[-QUESTION:]

    async def quiet(self, silence: float = 0.25, longest: float = 3) -> None:
        """Attend que la page ne change plus, ou qu'elle pose une question."""
        await still(lambda: self.output, silence, longest, lambda: not self._prompts.empty())

    async def tell(self, line: str) -> None:
        """Répond à la question posée, sinon remplit un champ et valide."""
        try:
            async with asyncio.timeout(15 * patience()):
                if not self._prompts.empty():
                    await self._prompts.get_nowait().accept(line)
                    await asyncio.sleep(0.1)
                else:
                    await self._hand.answer(self.page, line, lambda: self.connected)
        except Exception as error:  # champ disparu, page figée : ce qui compte est ce qui est parti
            if self.page.is_closed():
                self._note(f"({type(error).__name__})")

    async def _done(self, text: str) -> bool:
        """Vrai si le texte est parti, ou si la page pose une question : inutile d'insister."""
        await until(lambda: self.door.heard(text) or not self._prompts.empty(), 0.4)
        return self.door.heard(text) or not self._prompts.empty()

    async def _fetch(self, route: "Route") -> None:
        """Rien ne vient d'Internet, sauf d'un paquet installé pour ce rendu ; un script qui en
        manque, il faudra le dire.
        """
        url = route.request.url
        if file := file_of(url, self._packages):
            kind = KINDS.get(file.suffix, "application/octet-stream")
            headers = {"content-type": kind, "access-control-allow-origin": "*"}
            await route.fulfill(body=file.read_bytes(), headers=headers)
            return
        if route.request.resource_type == "script":
            self.lacks = self.lacks or url
        await route.abort()

    async def end(self) -> None:
        """Ferme la page et jette sa copie."""
        for task in (self._watching, self._loading):
            task.cancel()
        await asyncio.gather(self._watching, self._loading, return_exceptions=True)
        try:
            async with asyncio.timeout(5 * patience()):
                await self._context.close()
        except Exception:  # une page peut refuser de se fermer : le navigateur l'emportera
            pass
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self.scratch.remove()

    def send_signal(self, number: int) -> None:
        """Fermer l'onglet est la seule façon d'interrompre une page."""
        self._closing = asyncio.create_task(self.page.close())
