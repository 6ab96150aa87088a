"""Refait les images de img/ à partir de ce qui tourne vraiment.

    .venv/bin/python docs/pictures.py

Deux clients du terminal dans tmux, la page large et étroite dans Chromium, et la page de classe du
correcteur. Il faut tmux et Chromium ; les serveurs, les bases et les notes sont lancés pour
l'occasion, sur des ports libres.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.browser import chromium  # noqa: E402
from support.processes import Server  # noqa: E402
from support.storage import EmbeddedStorage  # noqa: E402

IMAGES, RENDUS = ROOT / "img", ROOT / "tests/rendus"
# Une classe faite des rendus d'essai : chacun rend le premier, changé par ce qui suit.
CLASS = {
    "ada": ["ordinaire"],
    "alan": ["ordinaire", "sans_await"],
    "grace": ["ordinaire", "redis_none"],
    "linus": ["ordinaire", "redis_octets"],
    "margaret": ["ordinaire", "sans_await", "redis_octets"],
}
WIDE, NARROW = {"width": 1000, "height": 520}, {"width": 390, "height": 700}
CHAT = (
    "Bonjour {other} !",
    "Bonjour {other}, tu as fini le TP ?",
    "Presque : il me reste MongoDB.",
    "Lis docs/ii-3.md, tout y est.",
)
# Les couleurs d'un terminal sombre, et les seize premières de xterm.
INK, PAPER, LINE = "#e6e6e6", "#14161a", "#343944"
ORDINARY = (
    *("#000000", "#cd0000", "#00cd00", "#cdcd00", "#0000ee", "#cd00cd", "#00cdcd", "#e5e5e5"),
    *("#7f7f7f", "#ff0000", "#00ff00", "#ffff00", "#5c5cff", "#ff00ff", "#00ffff", "#ffffff"),
)


@contextmanager
def chat_server() -> Iterator[str]:
    """La chatroom et ses bases, neuves, sur des ports libres ; donne celui de la chatroom."""
    storage = EmbeddedStorage()
    with storage.redis() as redis, storage.mongo() as mongo:
        server = Server("chatroom", REDIS_URL=redis.url, MONGO_URL=mongo.url)
        try:
            yield str(server.port)
        finally:
            server.stop()


def conversation(first: str, second: str) -> Iterator[tuple[str, str]]:
    """Qui dit quoi, chacun à son tour."""
    for number, text in enumerate(CHAT):
        author, other = (first, second) if number % 2 == 0 else (second, first)
        yield author, text.format(other=other)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"Après 20 s, toujours pas : {what}.")
        time.sleep(0.05)


# --- Deux terminaux ------------------------------------------------------------------------------


class Pane:
    """Une moitié de la fenêtre de tmux, où tourne un client."""

    def __init__(self, socket: Path, number: int):
        self._tmux = ("tmux", "-S", str(socket))
        self._target = f"tp7:0.{number}"

    def _run(self, *command: str) -> str:
        target = (command[0], "-t", self._target, *command[1:])
        return subprocess.run([*self._tmux, *target], capture_output=True, text=True).stdout

    def type(self, text: str, enter: bool = True) -> None:
        self._run("send-keys", "-l", text)
        if enter:
            self._run("send-keys", "Enter")

    def sees(self, text: str) -> None:
        wait_for(lambda: text in self._run("capture-pane", "-p"), f"« {text} » au terminal")

    def screen(self) -> list[str]:
        """Les rangées de l'écran, avec leurs couleurs ANSI."""
        return self._run("capture-pane", "-p", "-e").splitlines()


def terminals(port: str) -> None:
    """Ana et léo se parlent, et ana est en train de taper."""
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "tmux"
        tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        client = f"{sys.executable} -m chatroom.client -p {port}"
        environment = os.environ | {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        size = ["-x", "121", "-y", "14"]
        start = [*tmux, "new-session", "-d", "-s", "tp7", *size, client]
        subprocess.run(start, check=True, env=environment, cwd=ROOT)
        try:
            beside = [*tmux, "split-window", "-h", "-t", "tp7", "-c", str(ROOT), client]
            subprocess.run(beside, check=True)
            panes = {"ana": Pane(socket, 0), "léo": Pane(socket, 1)}
            for pseudo, pane in panes.items():
                pane.sees("Quel est ton pseudo ?\n>")
                pane.type(pseudo)
                pane.sees("Te voilà")
            panes["ana"].sees("léo a rejoint")
            for author, text in conversation(*panes):
                panes[author].type(text)
                for pane in panes.values():
                    pane.sees(text[:20])
            panes["ana"].type("merci, j'y v", enter=False)
            panes["ana"].sees("j'y v")
            draw({name: pane.screen() for name, pane in panes.items()}, IMAGES / "terminaux.svg")
        finally:
            subprocess.run([*tmux, "kill-server"], check=True)


def draw(screens: dict[str, list[str]], file: Path) -> None:
    """Dessine des écrans côte à côte, lettre à lettre, en SVG."""
    width, height, columns = 8.4, 19, 60
    written = [row for lines in screens.values() for row, line in enumerate(lines) if line]
    screens = {name: lines[min(written) : max(written) + 1] for name, lines in screens.items()}
    rows = max(map(len, screens.values()))
    total = len(screens) * (columns * width + 36) + 12, rows * height + 70
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total[0]:g} {total[1]:g}" '
        'role="img" aria-label="Deux clients de la chatroom, chacun dans son terminal">',
        "<style>text { font: 14px ui-monospace, 'DejaVu Sans Mono', monospace; white-space: pre }"
        "</style>",
    ]
    for number, (name, lines) in enumerate(screens.items()):
        left = 12 + number * (columns * width + 36)
        parts.append(
            f'<rect x="{left:g}" y="12" width="{columns * width + 24:g}" '
            f'height="{total[1] - 24:g}" rx="10" fill="{PAPER}" stroke="{LINE}"/>'
            f'<text x="{left + 12:g}" y="32" fill="#8b949e">{name}, dans son terminal</text>'
        )
        for row, line in enumerate(lines):
            parts.append(
                f'<text x="{left + 12:g}" y="{60 + row * height}" fill="{INK}">{spans(line)}</text>'
            )
    file.write_text("\n".join([*parts, "</svg>\n"]))


def spans(line: str) -> str:
    """Les couleurs ANSI d'une ligne en <tspan>."""
    drawn, color = "", ""
    for piece in re.split(r"(\x1b\[[\d;]*m)", line.rstrip()):
        if not piece.startswith("\x1b"):
            text = escape(piece)
            drawn += f'<tspan fill="{color}">{text}</tspan>' if color and text else text
        elif found := re.search(r"38;5;(\d+)m", piece):
            color = xterm(int(found[1]))
        else:
            color = ""
    return drawn


def xterm(number: int) -> str:
    """Une couleur de la palette de xterm : seize ordinaires, puis un cube de 6 × 6 × 6."""
    if number < 16:
        return ORDINARY[number]
    steps = (0, 95, 135, 175, 215, 255)
    return "#" + "".join(f"{steps[(number - 16) // power % 6]:02x}" for power in (36, 6, 1))


# --- La page, et le rapport de classe ------------------------------------------------------------


def pages(browser, port: str) -> None:
    """La même conversation dans la page : zoé large et claire, tom étroit et sombre."""
    looks = ("zoé", WIDE, "light", "page-large.png"), ("tom", NARROW, "dark", "page-etroite.png")
    people = {}
    for pseudo, viewport, scheme, _ in looks:
        page = browser.new_page(viewport=viewport, color_scheme=scheme, device_scale_factor=2)
        page.goto(f"{(ROOT / 'ws_i_3_client.html').as_uri()}?port={port}")
        page.get_by_label("Pseudo").fill(pseudo)
        page.get_by_role("button", name="Rejoindre").click()
        page.get_by_label("Ton message").wait_for()
        people[pseudo] = page
    for author, text in conversation(*people):
        people[author].get_by_label("Ton message").fill(text)
        people[author].get_by_role("button", name="Envoyer").click()
        for page in people.values():
            page.get_by_text(text).wait_for()
    for pseudo, _, _, file in looks:
        people[pseudo].screenshot(path=IMAGES / file)


def class_report(browser) -> None:
    """La page de classe d'une petite classe."""
    with tempfile.TemporaryDirectory() as folder:
        handins, reports = Path(folder) / "classe", Path(folder) / "rapports"
        for student, layers in CLASS.items():
            (handins / student).mkdir(parents=True)
            for file in (file for layer in layers for file in (RENDUS / layer).iterdir()):
                shutil.copy(file, handins / student / file.name.lower())
        options = "-q", "-n", "2", f"--rendus={handins}", f"--rapport={reports}"
        command = [sys.executable, "-m", "pytest", *options]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        page = browser.new_page(viewport={"width": 900, "height": 700})
        page.goto((reports / "classe.html").as_uri())
        page.screenshot(path=IMAGES / "classe.png", full_page=True)


def main() -> None:
    with chat_server() as port:
        terminals(port)
    with chromium() as browser:
        with chat_server() as port:
            pages(browser, port)
        class_report(browser)


if __name__ == "__main__":
    main()
