"""Les questions du README : ce qu'elles font changer dans un script produit ce que dit la réponse.

Chaque variante est le script du dépôt, où l'on fait ce que demande la question.
"""

import asyncio
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from support.browser import Profile, chromium, expect
from support.processes import PATIENCE, ROOT, Process, Server, changed, missing
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

README = (ROOT / "README.md").read_text()
Start = Callable[..., Process]


def asked(*pieces: str) -> None:
    """Vérifie que le README parle bien de ces morceaux de code."""
    assert not [piece for piece in pieces if piece not in README]


@pytest.fixture
def start() -> Iterator[Start]:
    """Lance des programmes, tués à la fin du test. Un serveur est rendu quand il écoute."""
    started: list[Process] = []

    def start_one(*command: str | Path, **settings: str) -> Process:
        process = Process(*command, **settings)
        started.append(process)
        if str(command[1]).endswith("_server.py"):
            process.url = process.wait_line(r"ws://\S+", timeout=20)[0]
        return process

    yield start_one
    for process in started:
        process.kill()


def serve(start: Start, script: str | Path, **settings: str) -> str:
    """Lance un serveur sur un port libre et rend son adresse."""
    return start(sys.executable, script, "-p", "0", **settings).url


@pytest.mark.parametrize("together", [False, True], ids=["time.sleep", "asyncio.sleep"])
async def test_one_thread_serves_everybody(tmp_path: Path, start: Start, together: bool):
    """I.1 : avec time.sleep chacun attend le sommeil de l'autre, avec asyncio.sleep non."""
    asked("`await websocket.send(answer)`", "`time.sleep(3)`", "`await asyncio.sleep(3)`")
    pause = "await asyncio.sleep(1)" if together else "import time; time.sleep(1)"
    send = "            await websocket.send(answer)"
    script = changed(tmp_path, "ws_i_1_server.py", (send, f"            {pause}\n{send}"))
    url = serve(start, script)
    async with connect(url, proxy=None) as one, connect(url, proxy=None) as other:
        began = time.monotonic()
        await asyncio.gather(one.send("un"), other.send("deux"))
        await one.recv()
        answered = time.monotonic()
        await other.recv()
        if together:
            assert time.monotonic() - answered < 0.9 * PATIENCE
        else:
            assert time.monotonic() - began >= 2


async def test_messages_stay_whole():
    """I.1 : deux messages restent deux, et un seul peut faire 1 Mio, pas un octet de plus."""
    asked("1 048 576 octets", "1009")
    server = Server("ws_i_1_server.py")
    try:
        async with connect(server.url, proxy=None, max_size=None) as websocket:
            await websocket.send("un")
            await websocket.send("deux")
            assert "un" in await websocket.recv() and "deux" in await websocket.recv()
            await websocket.send("x" * 1_048_576)
            assert len(await websocket.recv()) > 1_048_576
            with pytest.raises(ConnectionClosedError):
                await websocket.send("x" * 1_048_577)
                await websocket.recv()
            assert websocket.close_code == 1009
    finally:
        server.kill()


def test_page_that_speaks_to_nobody(start: Start):
    """I.2 : la page montre ce qu'elle envoie à un serveur suspendu ; le binaire la fait fermer."""
    [typed] = re.findall(r"^```js\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    asked("`1003 seul le texte est accepté`")
    server = start(sys.executable, ROOT / "ws_i_1_server.py", "-p", "0")
    with chromium() as browser:
        profile = Profile(browser)
        page = profile.open("ws_i_2_client.html")
        page.fill("#address", server.url)
        page.click("text=Se connecter")
        expect(page.locator("#state")).to_have_text("Connecté")
        server.send_signal(signal.SIGSTOP)
        page.fill("#message", "bonjour")
        page.click("text=Envoyer")
        expect(page.locator("#log p")).to_have_text([">>> bonjour"])
        server.send_signal(signal.SIGCONT)
        expect(page.locator("#log p")).to_have_text([">>> bonjour", re.compile("^<<< Hello")])
        with page.expect_console_message() as message:
            page.evaluate(typed)
        assert message.value.text == "1003 seul le texte est accepté"
        profile.check()


def test_event_that_nobody_hears(tmp_path: Path, start: Start):
    """I.2 : sans son écoute de « close », le client Node attend pour toujours un serveur parti."""
    if reason := missing("node"):
        pytest.skip(reason)
    if not (ROOT / "node_modules/ws").exists():
        pytest.skip("le paquet ws n'est pas installé : `npm install` active ce test")
    asked('`socket.on("close", …)`')
    source = (ROOT / "ws_i_2_client.js").read_text()
    [listening] = [line for line in source.splitlines() if 'socket.on("close", ' in line]
    script = changed(tmp_path, "ws_i_2_client.js", (listening, ""))
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    server = start(sys.executable, ROOT / "ws_i_1_server.py", "-p", "0")
    client = start("node", script, "127.0.0.1", server.url.rsplit(":", 1)[1])
    client.write("bonjour")
    client.wait_line("Received")
    server.stop()
    client.write("encore")
    time.sleep(1)
    assert client.alive and "encore" not in client.output and "parti" not in client.output


async def test_await_between_looking_and_writing(tmp_path: Path, start: Start):
    """I.3 : un await au milieu d'enter(), et deux personnes prennent le même pseudo."""
    asked("`async def enter`", "`await enter(`", "`await asyncio.sleep(1)`")
    script = changed(
        tmp_path,
        "ws_i_3_server.py",
        ("\ndef enter(", "\nasync def enter("),
        ("            enter(", "            await enter("),
        ("    clients[session] = {", "    await asyncio.sleep(1)\n    clients[session] = {"),
    )
    url = serve(start, script)
    async with connect(url, proxy=None) as one, connect(url, proxy=None) as other:
        for websocket in (one, other):
            await websocket.send("Hello|ana")
        answers = [await one.recv(), await other.recv()]
        assert all(answer.startswith("ID|") for answer in answers), answers


async def test_from_now_on_misses_messages(tmp_path: Path, start: Start, redis_url: str):
    """II.2 : lire « à partir de maintenant » manque ce qui s'ajoute entre deux lectures."""
    asked('`"$"`', "(echo ana; seq 300)")
    script = changed(tmp_path, "ws_ii_2_server.py", ('{"room": position}', '{"room": "$"}'))
    url = serve(start, script, REDIS_URL=redis_url)
    async with connect(url, proxy=None) as leo, connect(url, proxy=None) as ana:
        for websocket, name in (leo, "léo"), (ana, "ana"):
            await websocket.send(f"Hello|{name}")
            await websocket.recv()
        for number in range(300):
            await ana.send(str(number))
        heard = ""
        while True:
            try:
                heard += await asyncio.wait_for(leo.recv(), 2 * PATIENCE)
            except TimeoutError:
                break
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        assert sum(" a dit : " in entry["sentence"] for _, entry in redis.xrange("room")) == 300
    assert heard.count(" a dit : ") < 300
