"""Une page d'étudiant dans Chromium, pilotée comme le ferait une personne qui la découvre.

Elle se conduit comme un Program : `output` est ce qui se lit à l'écran, `tell()` y répond.
"""

import asyncio
import functools
import http.server
import re
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from support.browser import FLAGS, PROGRAMS

from grader.dialect import HOST, NAME, PORT, URL
from grader.launch import CouldNotRun, Launcher
from grader.sandbox import PATIENCE, Scratch, until

PAGE = Path(__file__).parent / "guest" / "page.js"
# Les boutons qu'il ne faut pas essayer : ils effacent, quittent, ou changent d'avis.
AVOID = re.compile(r"quit|d[ée]con|disc|clear|effac|clos|ferm|leav|stop|reset|annul|cancel", re.I)
SUBMIT = re.compile(r"envo|send|ok|valid", re.I)
ENTER = re.compile(r"connec|rejoi|join|entr|start|démar|open|ouvr|login", re.I)
MODULE = re.compile(r"^\s*(import|export)\b", re.M)
FIELDS = """() => {
  const shown = (e) => e.getClientRects().length > 0 && !e.matches(":disabled") && !e.readOnly;
  const label = (e) => [e.id, e.name, e.placeholder, e.title, e.getAttribute("aria-label"),
    ...[...(e.labels || [])].map((l) => l.innerText)].filter(Boolean).join(" ");
  const kinds = ["text", "search", "email", "url", "tel", "number", "", null];
  const fields = [...document.querySelectorAll("input, textarea, [contenteditable=true]")]
    .filter((e) => shown(e) && (e.tagName !== "INPUT" || kinds.includes(e.getAttribute("type"))));
  for (const name of ["data-tp7", "data-tp7-button"])
    document.querySelectorAll(`[${name}]`).forEach((e) => e.removeAttribute(name));
  fields.forEach((e, n) => e.setAttribute("data-tp7", n));
  const clicks = "button, input[type=button], input[type=submit], [onclick], [role=button]";
  const buttons = [...document.querySelectorAll(clicks)].filter(shown);
  buttons.forEach((e, n) => e.setAttribute("data-tp7-button", n));
  return {
    fields: fields.map((e) => ({ label: label(e), value: e.value || e.innerText || "" })),
    buttons: buttons.map((e) => label(e) + " " + (e.innerText || e.value || "")),
  };
}"""
HELD = "(field) => field.value ?? field.innerText"
TEXT = """() => {
  const values = [...document.querySelectorAll("textarea, input, output")]
    .filter((e) => e.readOnly || e.disabled || e.tagName !== "INPUT")
    .map((e) => e.value || "");
  const visit = (root) => [...root.querySelectorAll("*")].flatMap((e) =>
    e.shadowRoot ? [e.shadowRoot.textContent, ...visit(e.shadowRoot)] : []);
  return [document.title, document.body?.innerText ?? "", ...values, ...visit(document),
    ...(window.__tp7?.notified ?? [])].join("\\n");
}"""


async def launch():
    """Un Chromium ; lève CouldNotRun s'il manque."""
    try:
        from playwright.async_api import Error, async_playwright
    except ImportError as error:
        raise CouldNotRun("no_browser", error=str(error)) from None
    path = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if path is None:
        raise CouldNotRun("no_browser", error="sudo apt install chromium")
    playwright = await async_playwright().start()
    try:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
    except Error as error:
        await playwright.stop()
        raise CouldNotRun("no_browser", error=str(error)[:200]) from None
    return Chromium(playwright, browser)


class Chromium:
    """Le navigateur d'un étudiant, pour la durée d'une part du travail."""

    def __init__(self, playwright, browser):
        self.playwright, self.browser = playwright, browser

    async def close(self) -> None:
        try:
            async with asyncio.timeout(10 * PATIENCE):
                await self.browser.close()
        except Exception:  # déjà mort : il n'y a plus rien à fermer
            pass
        await self.playwright.stop()


async def open_page(student, role: str, port: int) -> "Page":
    """Ouvre la page (ou le script seul, dans une page vide) d'un rendu, depuis une copie neuve."""
    if student.browser is None:
        student.browser = await launch()
    page = Page(student.launcher, student.browser, student.hand_in.scripts[role])
    await page.start(port, served=role in student.served)
    if page.broken and role not in student.served and not page.connected:
        await page.end()
        student.served.add(role)
        return await open_page(student, role, port)
    return page


class Page:
    def __init__(self, launcher: Launcher, chromium: Chromium, script: Path):
        self.launcher, self.chromium, self.script = launcher, chromium, script
        self.scratch = Scratch(launcher.hand_in.folder)
        self.events: list[dict] = []
        self.exit_code = None
        self.heard: Callable[[str], bool] = lambda text: False
        self.raw = ""  # console, alertes et questions, dans l'ordre
        self.broken = ""
        self._seen = ""
        self._prompts: asyncio.Queue = asyncio.Queue()
        self._server = None
        self._filled: list[int] = []

    async def start(self, port: int, served: bool) -> None:
        self._context = await self.chromium.browser.new_context(locale="fr-FR")
        await self._context.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda r: r.abort())
        guest = PAGE.read_text("utf-8").replace(":PORT", f":{port}")
        await self._context.add_init_script(guest)
        self.page = await self._context.new_page()
        self.page.on("dialog", self._dialog)
        self.page.on("console", lambda message: self._note(message.text))
        self.page.on("pageerror", self._failed)
        target = self.scratch.work / self.script
        scripted = target.suffix.lower() not in (".html", ".htm")
        if scripted:
            empty = target.with_name("tp7-page-vide.html")
            module = MODULE.search(target.read_text("utf-8", "replace"))
            kind = ' type="module"' if module else ""
            empty.write_text(
                f'<!doctype html><meta charset="utf-8"><title>TP7</title><body>'
                f'<script{kind} src="{target.name}"></script>',
                "utf-8",
            )
            target = empty
        url = target.as_uri()
        if served:
            url = self._serve(target)
        self._loading = asyncio.create_task(self._load(url))
        await asyncio.wait([self._loading], timeout=3 * PATIENCE)
        self._watching = asyncio.create_task(self._watch())
        await asyncio.sleep(0.2)

    async def _load(self, url: str) -> None:
        try:
            await self.page.goto(url, wait_until="load", timeout=15_000 * PATIENCE)
        except Exception as error:
            self.broken = str(error)

    def _serve(self, target: Path) -> str:
        """Sert le dossier du rendu par HTTP, comme un module ou un `fetch` l'exigent."""

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        handler = functools.partial(Quiet, directory=str(self.scratch.work))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.events.append({"event": "remark", "key": "served_over_http"})
        path = target.relative_to(self.scratch.work).as_posix()
        return f"http://127.0.0.1:{self._server.server_port}/{path}"

    def _note(self, text: str) -> None:
        self.raw += text + "\n"
        if "CORS" in text or "blocked by" in text or "ERR_FAILED" in text:
            self.broken = text

    def _failed(self, error) -> None:
        self._note(f"{error.name}: {error.message}")

    async def _dialog(self, dialog) -> None:
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
                    text = await self.page.evaluate(TEXT)
                    asked = await self.page.evaluate("() => window.__tp7?.asked.length ?? 0")
                self._seen, self._asked = text, asked
            except Exception:  # page figée ou en train de changer : on retentera
                pass
            await asyncio.sleep(0.06)

    _asked = 0

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
        return "" if self._prompts.empty() else self._asking

    async def quiet(self, silence: float = 0.25, longest: float = 3) -> None:
        """Attend que la page ne change plus, ou qu'elle pose une question."""
        deadline, seen, since = time.monotonic() + longest * PATIENCE, None, time.monotonic()
        while time.monotonic() < deadline and self._prompts.empty():
            if self.output != seen:
                seen, since = self.output, time.monotonic()
            if time.monotonic() - since > silence:
                return
            await asyncio.sleep(0.03)

    async def tell(self, text: str) -> None:
        """Répond à la question posée, sinon remplit un champ et valide."""
        try:
            async with asyncio.timeout(15 * PATIENCE):
                if not self._prompts.empty():
                    await self._prompts.get_nowait().accept(text)
                    await asyncio.sleep(0.1)
                else:
                    await self._fill(text)
        except Exception as error:  # champ disparu, page figée : ce qui compte est ce qui est parti
            self._note(f"({type(error).__name__})") if self.page.is_closed() else None

    async def _fill(self, text: str) -> None:
        view = await self.page.evaluate(FIELDS)
        number = self._choose(view["fields"])
        if number is None:
            if not view["buttons"]:
                return
        else:
            field = self.page.locator(f'[data-tp7="{number}"]')
            await field.fill(text, timeout=2000)
            self._filled.append(number)
            await field.press("Enter", timeout=2000)
            if await self._done(text):
                return
        for rank in self._buttons(view["buttons"]):
            button = self.page.locator(f'[data-tp7-button="{rank}"]')
            if await button.count() and await button.is_visible():
                if number is not None:
                    field = self.page.locator(f'[data-tp7="{number}"]')
                    if await field.count() and not (await field.evaluate(HELD)).strip():
                        await field.fill(text, timeout=1000)
                await button.click(timeout=1000, no_wait_after=True)
                if await self._done(text):
                    return

    async def _done(self, text: str) -> bool:
        """Vrai si le texte est parti, ou si la page pose une question : inutile d'insister."""
        await until(lambda: self.heard(text) or not self._prompts.empty(), 0.4)
        return self.heard(text) or not self._prompts.empty()

    def _choose(self, fields: list[dict]) -> int | None:
        """Le champ à remplir : ni l'adresse déjà donnée, ni le pseudo déjà rempli."""
        free = []
        for number, field in enumerate(fields):
            label, value = field["label"], field["value"]
            address = URL.search(label + value) or HOST.search(label) or PORT.search(label)
            if not (address and not NAME.search(label)):
                free.append((number, label))
        if not free:
            return None
        names = [n for n, label in free if NAME.search(label) and n not in self._filled]
        if names:
            return names[0]
        fresh = [n for n, label in free if not NAME.search(label)]
        return fresh[-1] if fresh else free[-1][0]

    def _buttons(self, labels: list[str]) -> list[int]:
        ranks = [rank for rank, label in enumerate(labels) if not AVOID.search(label)]
        first = SUBMIT if self.connected else ENTER
        return sorted(ranks, key=lambda rank: not first.search(labels[rank]))

    async def end(self) -> None:
        """Ferme la page et jette sa copie."""
        for task in (self._watching, self._loading):
            task.cancel()
        await asyncio.gather(self._watching, self._loading, return_exceptions=True)
        try:
            async with asyncio.timeout(5 * PATIENCE):
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
