"""I.3 : ce qui n'est qu'à cette étape, la salle en mémoire et le client de terminal."""

import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.fake_server import FakeServer
from support.processes import ROOT, Process, Server, both_in, wait_for
from support.room import Room
from support.storage import free_port
from support.terminal import Terminal
from websockets.sync.server import ServerConnection

SERVER, CLIENT = "ws_i_3_server.py", "ws_i_3_client.py"
Pipe = Callable[..., Process]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(SERVER)
    yield server
    server.kill()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Lance le client, son clavier et son écran dans des tubes."""
    with ExitStack() as stack:

        def start(*options: str, script: Path = ROOT / CLIENT, **env: str) -> Process:
            client = Process(sys.executable, script, *options, **env)
            stack.callback(client.kill)
            return client

        yield start


@contextmanager
def in_terminal(port: int, pseudo: str, **env: str) -> Iterator[Terminal]:
    """Le client dans un terminal, entré sous ce pseudo."""
    with Terminal(CLIENT, "-p", str(port), **env) as terminal:
        terminal.wait_screen("Ton pseudo :")
        terminal.type(f"{pseudo}\n")
        yield terminal


# --- Le serveur ----------------------------------------------------------------------------------


async def test_nobody_comes_back(room: Room):
    """`ID|` est répondu comme une session inconnue, même par qui vient de partir ou est encore là :
    le retour vient avec l'étape II.2."""
    ada, bob = await room.gather("Ada", "Bob")
    await bob.leave()
    await ada.see("a quitté")
    for session in ada.session, bob.session:
        stranger = await room.open(f"ID|{session}")
        assert await stranger.closed() == 4002
    assert ada.lines == ["Annonce : Bob a quitté la chatroom"]


# --- Le client -----------------------------------------------------------------------------------


def test_two_people_chat(server: Server):
    """Ce que dit l'un paraît chez l'autre sans attendre Entrée ; Ctrl+D et Ctrl+C font partir."""
    with in_terminal(server.port, "Ada") as ada:
        with in_terminal(server.port, "Bob") as bob:
            both_in(lambda: ada.text + bob.text)
            bob.type("à demi")
            bob.wait_screen("à demi")
            ada.type("bonjour 🦊\n")
            bob.wait_screen("Ada a dit : bonjour 🦊")
            bob.type(" tapé\n")
            ada.wait_screen("Bob a dit : à demi tapé")
            bob.type("\x04")
            assert bob.wait() == 0
        ada.wait_screen("Annonce : Bob a quitté la chatroom")
        ada.type("\x03")
        assert ada.wait() == 0
        for screen in ada.text, bob.text:
            assert "Traceback" not in screen and "ID|" not in screen
        assert "Ada a dit" not in ada.text


def test_colours(server: Server):
    """Un pseudo garde sa couleur d'une ligne et d'un lancement à l'autre ; le reste n'en a pas."""
    pseudos = "Bob", "Zoé", "Marguerite de Navarre"
    seen = []
    for seed in "1", "2":
        with FakeServer() as room, in_terminal(room.port, "Ada", PYTHONHASHSEED=seed) as terminal:
            room.wait_frames("Hello|Ada")
            said = [f"[10:00] {pseudo} a dit : salut" for pseudo in pseudos]
            left = [f"[29/11 10:00] Annonce : {pseudo} a quitté la chatroom" for pseudo in pseudos]
            room.say("\n".join(said + left))
            terminal.wait_screen(f"{pseudos[-1]} a quitté")
            text = terminal.raw.decode()
            seen.append([re.findall(rf"\x1b\[38;5;(\d+)m{p}\x1b\[0m", text) for p in pseudos])
            assert text.count("\x1b[") == 4 * len(pseudos)
    assert seen[0] == seen[1]
    assert all(len(colours) == 2 and len(set(colours)) == 1 for colours in seen[0])


def test_stalled_terminal_loses_nothing():
    """2000 lignes vers un terminal figé une seconde arrivent toutes, une fois, dans l'ordre."""
    with FakeServer() as room, in_terminal(room.port, "Ada") as terminal:
        room.wait_frames("Hello|Ada")
        room.say("[10:00] Bob a dit : avant")
        terminal.wait_screen("avant")
        terminal.stall()
        for number in range(2000):
            room.say(f"[10:00] Bob a dit : {number:04} {'x' * 40}")
        wait_for(lambda: terminal.unread > 4000, lambda: f"{terminal.unread} octets à lire")
        time.sleep(1)  # la durée du gel : de quoi jeter les 2000 lignes, pour qui les jette
        terminal.flow()
        terminal.wait_screen(" 1999 ", timeout=30)
        seen = "\n".join(terminal.history + terminal.lines)
        assert re.findall(r"Bob a dit : (\d{4}) x{40}", seen) == [f"{n:04}" for n in range(2000)]


def test_server_leaves(server: Server):
    """Le serveur s'arrête : une phrase, code 1, sans attendre Entrée."""
    with in_terminal(server.port, "Ada") as terminal:
        terminal.type("salut\n")
        terminal.wait_screen("Vous avez dit : salut")
        assert server.stop() == 0
        assert terminal.wait() == 1
        assert terminal.text.rstrip().endswith("(le serveur est parti) : relance ce client.")
        assert "Traceback" not in terminal.text


def refuse(connection: ServerConnection, frame: str) -> None:
    connection.send("Erreur : non")
    connection.close(4003, "ce pseudo est déjà pris")


def test_refused_pseudo(pipe: Pipe):
    """Un pseudo refusé : la raison du serveur, une phrase, code 1."""
    with FakeServer(refuse) as room:
        client = pipe("-p", str(room.port))
        client.write("Ada")
        assert client.wait() == 1
    assert client.lines[:-1] == ["Ton pseudo : Erreur : non"]
    assert "ce pseudo est déjà pris" in client.lines[-1]


def test_frozen_server(server: Server):
    """Un serveur qui ne répond plus n'empêche pas de partir, même en insistant."""
    with in_terminal(server.port, "Ada") as terminal:
        terminal.type("salut\n")
        terminal.wait_screen("Vous avez dit : salut")
        server.send_signal(signal.SIGSTOP)
        terminal.type("\x03")
        terminal.wait_screen("^C")
        terminal.type("\x03")
        assert terminal.wait(20) == 0
        assert "Traceback" not in terminal.text


def test_in_a_pipe(server: Server, pipe: Pipe):
    """Dans des tubes : le pseudo, puis les messages, tous livrés dans l'ordre, et un départ ; un
    écran qui n'est pas en UTF-8 n'y change rien."""
    reader = pipe("-p", str(server.port), PYTHONIOENCODING="cp1252")
    reader.write("Lectrice")
    author = pipe("-p", str(server.port))
    author.write("Auteur")
    both_in(lambda: reader.output + author.output)
    for number in range(300):
        author.write(f"🦊 {number}")
    author.close_input()
    assert author.wait(20) == 0
    reader.wait_line("Auteur a quitté la chatroom")
    assert re.findall(r"Auteur a dit : 🦊 (\d+)", reader.output) == list(map(str, range(300)))
    assert author.output.count("Vous avez dit : 🦊") == 300


def test_without_a_server(pipe: Pipe):
    """Personne à l'adresse, ou quelqu'un qui ne parle pas WebSocket : une phrase, code 1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = pipe("-p", str(listener.getsockname()[1]))
        client.write("Ada")
        with listener.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(b"220 mail.example ESMTP\r\n")
        assert client.wait() == 1 and "Pas de serveur WebSocket à ws://" in client.output
    for address in "127.0.0.1", "adresse.invalid", "a..b", "::1":
        client = pipe("-a", address, "-p", str(free_port()))
        client.write("Ada")
        assert client.wait(20) == 1
        assert len(client.lines) == 1 and f"à ws://{address}:" in client.output


def test_settings(server: Server, pipe: Pipe, tmp_path: Path):
    """Sans option, le client va où le .env voisin ou l'environnement l'envoie."""
    copy = Path(shutil.copy(ROOT / CLIENT, tmp_path))
    (tmp_path / ".env").write_text(f"WS_PORT={server.port}\n")
    for env in {"script": copy}, {"WS_PORT": str(server.port), "WS_HOST": ""}:
        client = pipe(**env)
        client.write("Ada")
        client.write("entrée")
        client.wait_line("Vous avez dit : entrée")
        client.close_input()
        assert client.wait() == 0
