"""I.1 : le serveur d'écho et son client, face à des gens polis, pressés, brutaux ou étranges."""

import asyncio
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from support.processes import ROOT, Process, Server, refusal, wait_for
from support.storage import free_port
from support.terminal import Terminal
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

SERVER, CLIENT = "ws_i_1_server.py", "ws_i_1_client.py"
Pipe = Callable[..., Process]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(SERVER)
    yield server
    try:
        assert server.stop() == 0
        assert "Traceback" not in server.output
    finally:
        server.kill()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Lance le client, son clavier et son écran dans des tubes."""
    with ExitStack() as stack:

        def start(port: int, *options: str, **env: str) -> Process:
            client = Process(sys.executable, ROOT / CLIENT, "-p", str(port), *options, **env)
            stack.callback(client.kill)
            return client

        yield start


def visit(server: Server) -> connect:
    return connect(server.url, proxy=None)


async def ask(websocket: ClientConnection, message: str) -> str:
    await websocket.send(message)
    async with asyncio.timeout(10):
        return await websocket.recv()


def answer(message: object) -> str:
    return f'Hello client ! Received "{message}"'


# --- Le serveur ----------------------------------------------------------------------------------


async def test_answer(server: Server):
    """Un message reçoit sa réponse ; le serveur affiche l'un et l'autre."""
    async with visit(server) as websocket:
        assert await ask(websocket, "salut") == 'Hello client ! Received "salut"'
    server.wait_line("^>>>")
    assert server.lines[1:] == ["<<< salut", '>>> Hello client ! Received "salut"']


async def test_any_number_of_messages(server: Server):
    """Une connexion porte autant de messages que l'on veut, les réponses dans l'ordre."""
    messages = ["", " ", "é 🦊", 'un "mot"', "{message}", "a\nb", "x" * 500_000]
    async with visit(server) as websocket:
        assert [await ask(websocket, one) for one in messages] == list(map(answer, messages))
        for number in range(500):
            await websocket.send(str(number))
        for number in range(500):
            assert await websocket.recv() == answer(number)


async def test_any_number_of_clients(server: Server):
    """100 clients à la fois : chacun reçoit sa réponse, même si un autre se tait."""
    async with visit(server):

        async def converse(number: int) -> list[str]:
            async with visit(server) as websocket:
                return [await ask(websocket, f"{number}-{turn}") for turn in range(3)]

        answers = await asyncio.gather(*map(converse, range(100)))
    assert answers == [[answer(f"{one}-{turn}") for turn in range(3)] for one in range(100)]


@pytest.mark.parametrize("way", ["poli", "coupé", "coupé sans lire", "muet"])
async def test_departure_disturbs_nobody(server: Server, way: str):
    """Quelle que soit la façon de partir, les autres continuent et le suivant est servi."""
    async with visit(server) as other:
        leaving = await visit(server)
        if way != "muet":
            await ask(leaving, "au revoir")
        if way == "coupé sans lire":
            await leaving.send("x" * 900_000)
        if way == "poli":
            await leaving.close()
        leaving.transport.abort()
        await leaving.wait_closed()
        assert await ask(other, "toujours là ?") == answer("toujours là ?")
    async with visit(server) as following:
        assert await ask(following, "et moi ?") == answer("et moi ?")


@pytest.mark.parametrize(
    ("frame", "as_text", "code"),
    [(b"\xff\xfe", True, 1007), (b"x" * 2_000_000, True, 1009)],
    ids=["UTF-8 faux", "trop long"],
)
async def test_strange_frames(server: Server, frame: bytes, as_text: bool, code: int):
    """Une trame que la bibliothèque refuse ferme sa connexion, et aucune autre."""
    async with visit(server) as other, visit(server) as strange:
        with pytest.raises(ConnectionClosed):
            await strange.send(frame, text=as_text)
            await strange.recv()
        assert strange.close_code == code
        assert await ask(other, "et moi ?") == answer("et moi ?")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_stops(number: int):
    """Ctrl+C et SIGTERM : 100 clients sur 100 lisent 1001, et le serveur rend 0 sans rien dire."""
    server = Server(SERVER)
    try:
        clients = await asyncio.gather(*(visit(server) for _ in range(100)))
        stop = asyncio.create_task(asyncio.to_thread(server.stop, number))
        await asyncio.gather(*(client.wait_closed() for client in clients))
        assert await stop == 0
        assert [client.close_code for client in clients] == [1001] * 100
        assert len(server.lines) == 1, server.output
    finally:
        server.kill()


async def test_screen_that_is_not_utf_8():
    """Un écran sans émojis montre ce qu'il peut, et la réponse part entière."""
    server = Server(SERVER, PYTHONIOENCODING="cp1252")
    try:
        async with visit(server) as websocket:
            assert await ask(websocket, "un 🦊") == answer("un 🦊")
        server.wait_line(r"^<<< un \?$")
        assert server.stop() == 0 and "Traceback" not in server.output
    finally:
        server.kill()


# --- Le client -----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["\x04", "\x03"], ids=["Ctrl+D", "Ctrl+C"])
def test_client_in_a_terminal(server: Server, key: str):
    """Chaque ligne tapée reçoit sa réponse à l'écran ; Ctrl+D et Ctrl+C font partir avec 0."""
    with Terminal(CLIENT, "-p", str(server.port)) as terminal:
        for word in "bonjour", "c'est l'été 🦊":
            terminal.wait_for(
                lambda: terminal.lines[terminal.cursor[0]] == "Ton message :", "pas d'invite"
            )
            terminal.type(f"{word}\n")
            terminal.wait_screen(answer(word))
        terminal.type(key)
        assert terminal.wait() == 0
        assert "Traceback" not in terminal.text


def test_client_in_a_pipe(server: Server, pipe: Pipe):
    """Avec un tube, toutes les lignes partent et toutes les réponses sortent, code 0."""
    client = pipe(server.port, PYTHONIOENCODING="cp1252")
    for number in range(20):
        client.write(f"🦊 {number}")
    client.close_input()
    assert client.wait() == 0
    assert re.findall(r'Received "🦊 (\d+)"', client.output) == list(map(str, range(20)))


def test_client_says_when_the_server_leaves(server: Server, pipe: Pipe):
    """Le serveur parti, le message suivant l'apprend au client : une phrase, code 1."""
    client = pipe(server.port)
    client.write("bonjour")
    client.wait_line("Received")
    assert server.stop() == 0
    client.write("encore là ?")
    assert client.wait() == 1
    assert "Le serveur est parti" in client.lines[-1] and "Traceback" not in client.output


@pytest.mark.parametrize("address", ["127.0.0.1", "adresse.invalid", "a..b", "::1", "deux mots"])
def test_client_without_a_server(pipe: Pipe, address: str):
    """Personne à cette adresse, ou une adresse qui n'en est pas une : une phrase, code 1."""
    client = pipe(free_port(), "-a", address)
    assert client.wait(20) == 1
    assert len(client.lines) == 1 and f"ws://{address}:" in client.output


def test_client_asks_no_proxy(server: Server, pipe: Pipe):
    """Un mandataire déclaré dans l'environnement ne détourne pas d'un serveur voisin."""
    proxy = f"http://127.0.0.1:{free_port()}"
    client = pipe(server.port, http_proxy=proxy, ws_proxy=proxy, all_proxy=proxy)
    client.write("direct")
    client.wait_line('Received "direct"')


def test_client_of_something_else(pipe: Pipe):
    """Face à un programme qui ne parle pas WebSocket : une phrase, code 1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = pipe(listener.getsockname()[1])
        with listener.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(b"220 mail.example ESMTP\r\n")
        assert client.wait() == 1
        assert len(client.lines) == 1 and "Pas de serveur WebSocket" in client.output


def test_server_that_cannot_listen(server: Server):
    """Un port pris, une adresse qui n'est pas d'ici : une phrase et le remède, code 1."""
    for options in ("-p", str(server.port)), ("-p", "99999"), ("-a", "a..b"), ("-a", "203.0.113.1"):
        assert "choisis une autre adresse ou un autre port" in refusal(SERVER, *options)
    assert "--port" in refusal(SERVER, "-p", "abc", code=2)
    wait_for(lambda: server.alive, "le premier serveur n'a rien remarqué")
