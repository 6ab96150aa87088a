"""I.2 : le client de l'étape I.1 sous Node, puis dans une page ouverte depuis le disque."""

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.browser import Page, Profile, chromium, expect
from support.fake_server import FakeServer
from support.processes import ROOT, Process, Server, missing

NODE_CLIENT = "ws_i_2_client.js"
ECHO_PAGE = "ws_i_2_client.html"
Run = Callable[..., Process]
Node = Callable[[int | str], Process]


@pytest.fixture
def server() -> Iterator[Server]:
    """Le serveur de l'étape I.1."""
    server = Server("ws_i_1_server.py")
    yield server
    server.kill()


@pytest.fixture
def run() -> Iterator[Run]:
    """Lance des programmes, tués à la fin du test."""
    if reason := missing("node"):
        pytest.skip(reason)
    if not (ROOT / "node_modules/ws").is_dir():
        pytest.skip("le paquet ws n'est pas installé : `npm install ws` active ce test")
    with ExitStack() as stack:

        def start(*command: str, **options) -> Process:
            process = Process(*command, **options)
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def node(run: Run) -> Node:
    """Lance le client Node, sur ce port."""
    return lambda port: run("node", NODE_CLIENT, "127.0.0.1", str(port))


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """La page d'écho, à la largeur d'un téléphone ; une erreur dans sa console est un échec."""
    with chromium() as browser:
        profile = Profile(browser, viewport={"width": 360, "height": 640})
        yield profile.open(ECHO_PAGE)
        profile.check()


def connect(page: Page, url: str) -> None:
    page.get_by_label("Adresse").fill(url)
    page.get_by_role("button", name="Se connecter").click()


def say(page: Page, text: str) -> None:
    page.get_by_label("Ton message").fill(text)
    page.get_by_label("Ton message").press("Enter")


def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


# --- Node ---------------------------------------------------------------------------------------


def test_node_exchanges_messages_then_leaves(server: Server, node: Node):
    """Autant de messages que l'on veut, chacun avec sa réponse ; la fin de l'entrée l'arrête."""
    client = node(server.port)
    for message in ("bonjour", "", "déjà vu 👋"):
        client.write(message)
        client.wait_line(re.escape(f'Hello client ! Received "{message}"'))
    client.close_input()
    assert client.wait() == 0
    assert server.alive


def test_node_sends_all_of_a_piped_file(server: Server, node: Node):
    """Des lignes arrivées d'un coup par un tube partent toutes, dans l'ordre."""
    client = node(server.port)
    client.write("\n".join(f"ligne {number}" for number in range(50)))
    client.close_input()
    assert client.wait() == 0
    assert re.findall(r'"ligne (\d+)"', client.output) == [str(n) for n in range(50)]


def test_node_says_that_the_server_left(server: Server, node: Node):
    """Quand le serveur s'en va, une phrase, et le code 1."""
    client = node(server.port)
    client.write("bonjour")
    client.wait_line("Received")
    server.stop()
    client.wait_line(r"Le serveur est parti \(code 1001\)")
    assert client.wait() == 1


def test_node_stops_on_ctrl_c(run: Run):
    """Dans un terminal, Ctrl+C l'arrête, même s'il attend une réponse qui ne vient pas."""
    with FakeServer(lambda connection, frame: None) as server:
        command = f"node {NODE_CLIENT} 127.0.0.1 {server.port}"
        client = run("script", "--quiet", "--return", "--command", command, "/dev/null")
        client.write("bonjour\r")
        server.wait_frames("bonjour")
        client.write("\x03")
        assert client.wait() == 0
        assert "Error" not in client.output


@pytest.mark.parametrize("port", ["absent", "abc", "65536"])
def test_node_without_server(node: Node, port: str):
    """Un port où personne n'écoute, ou qui n'en est pas un : une phrase, et le code 1."""
    client = node(unused_port() if port == "absent" else port)
    assert client.wait() == 1
    assert len(client.lines) == 1 and "Pas de conversation avec ws://127.0.0.1:" in client.output


def test_node_survives_garbage(node: Node):
    """Des octets qui ne sont pas du WebSocket finissent en une phrase, sans trace d'appels."""
    with FakeServer(lambda connection, frame: connection.socket.sendall(b"\xff" * 20)) as server:
        client = node(server.port)
        client.write("bonjour")
        assert client.wait() == 1
        assert "Pas de conversation" in client.lines[-1] and "    at " not in client.output


def test_node_without_ws_says_how_to_get_it(run: Run, tmp_path: Path):
    """Sans le paquet ws, une phrase donne le remède."""
    shutil.copy(ROOT / NODE_CLIENT, tmp_path)
    client = run("node", NODE_CLIENT, cwd=tmp_path)
    assert client.wait() == 1
    assert len(client.lines) == 1 and "npm install ws" in client.output


# --- La page ------------------------------------------------------------------------------------


def test_page_exchanges_messages(server: Server, page: Page):
    """La page montre chaque message envoyé et chaque réponse, comme du texte, sans déborder."""
    connect(page, server.url)
    expect(page.get_by_role("status")).to_have_text("Connecté")
    for message in ("bonjour", "<b>encore</b>", "m" * 500):
        say(page, message)
        expect(page.get_by_role("log")).to_contain_text(f'<<< Hello client ! Received "{message}"')
        server.wait_line(re.escape(f"<<< {message}"))
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    server.stop()
    expect(page.get_by_role("status")).to_have_text("Le serveur est parti.")
    say(page, "trop tard")
    expect(page.get_by_role("status")).to_contain_text("Pas envoyé")
    expect(page.get_by_label("Ton message")).to_have_value("trop tard")


def test_page_says_how_it_ended(page: Page):
    """Une adresse impossible, personne à l'adresse, un refus : trois phrases différentes."""
    connect(page, "pas une adresse")
    expect(page.get_by_role("status")).to_contain_text("n'a pas la forme ws://127.0.0.1:8888")
    connect(page, f"ws://127.0.0.1:{unused_port()}")
    expect(page.get_by_role("status")).to_contain_text("Pas de serveur ici")
    with FakeServer(lambda connection, frame: connection.close(1003, "du texte !")) as server:
        connect(page, server.url)
        expect(page.get_by_role("status")).to_have_text("Connecté")
        say(page, "bonjour")
        expect(page.get_by_role("status")).to_have_text("Le serveur a fermé : 1003 du texte !")
