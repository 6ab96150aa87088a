"""Les deux clients Python : ce qu'une personne voit et tape, et ce qui passe dans un tube."""

import asyncio
import re
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from support.processes import ROOT, Process, Server, wait_for
from support.terminal import Terminal
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

ECHO, CHAT = "ws_i_1_client.py", "ws_i_3_client.py"


class Room:
    """Un serveur que le test pilote : il note ce qui arrive, et dit ou ferme ce qu'on lui demande.

    `received` : les trames, dans l'ordre ; `codes` : les codes de fermeture des clients partis ;
    `greet(websocket, hello)` : une coroutine qui accueille, remplaçable par le test.
    """

    def __init__(self):
        self.received: list[str] = []
        self.codes: list[int | None] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._stop = self._loop.create_future()
        self._ready = threading.Event()
        self._server = None
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._main()])
        self._thread.start()
        assert self._ready.wait(20)

    async def _main(self) -> None:
        async with serve(self._handle, "127.0.0.1", 0) as self._server:
            self.port = self._server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._stop

    async def _handle(self, websocket: ServerConnection) -> None:
        try:
            hello = await websocket.recv()
            self.received.append(hello)
            await self.greet(websocket, hello)
            async for message in websocket:
                self.received.append(message)
        except ConnectionClosed:
            pass
        finally:
            await websocket.wait_closed()
            self.codes.append(websocket.close_code)

    async def greet(self, websocket: ServerConnection, hello: str) -> None:
        await websocket.send("ID|sesame" if hello.startswith("Hello|") else "Welcome back Ada !")

    def expect(self, received: list[str]) -> None:
        """Attend que le serveur ait reçu exactement ces trames."""
        wait_for(lambda: self.received == received, lambda: f"reçu : {self.received}")

    def say(self, *frames: str | bytes) -> None:
        """Envoie ces trames à tous les présents."""
        for frame in frames:
            self._run(self._broadcast(frame))

    async def _broadcast(self, frame: str | bytes) -> None:
        broadcast(self._server.connections, frame)

    def send_all(self, lines: list[str]) -> None:
        """Envoie une trame par ligne sans attendre que le client les lise (rend la main avant)."""

        async def send() -> None:
            for websocket in self._server.connections:
                for line in lines:
                    await websocket.send(line)

        asyncio.run_coroutine_threadsafe(send(), self._loop)

    def close(self, code: int) -> None:
        """Ferme toutes les connexions avec ce code."""

        async def close() -> None:
            for websocket in list(self._server.connections):
                await websocket.close(code)

        self._run(close())

    def cut(self) -> None:
        """Coupe toutes les connexions net, sans les fermer."""

        async def cut() -> None:
            for websocket in list(self._server.connections):
                websocket.transport.abort()

        self._run(cut())

    def stop(self) -> None:
        """Arrête le serveur : chaque client reçoit 1001, et le port se libère."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set_result, None)
            self._thread.join()
            self._loop.close()

    def _run(self, coroutine) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)


@pytest.fixture
def room() -> Iterator[Room]:
    room = Room()
    yield room
    room.stop()


@pytest.fixture
def chat_server() -> Iterator[Server]:
    server = Server("ws_i_3_server.py")
    yield server
    server.kill()


@pytest.fixture
def echo_server() -> Iterator[Server]:
    server = Server("ws_i_1_server.py")
    yield server
    server.kill()


@contextmanager
def in_terminal(port: int, *options: str, pseudo: str = "Ada", **settings) -> Iterator[Terminal]:
    """Le client du chat dans un terminal, entré sous ce pseudo."""
    with Terminal(CHAT, "-p", str(port), *options, **settings) as terminal:
        terminal.wait_screen("Quel est ton pseudo ?")
        terminal.type(f"{pseudo}\n")
        yield terminal


@contextmanager
def in_pipe(script: str, port: int, *options: str, **env: str) -> Iterator[Process]:
    """Un client dont le clavier et l'écran sont des tubes."""
    process = Process(sys.executable, ROOT / script, "-p", str(port), *options, **env)
    yield process
    process.kill()


def closed_port() -> int:
    """Un port où personne n'écoute."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def accepted(room: Room, pseudo: str = "Ada") -> None:
    wait_for(lambda: f"Hello|{pseudo}" in room.received, f"{pseudo} ne s'est pas présenté")


# --- I.1 : l'écho ----------------------------------------------------------------------------


def test_echo_in_a_terminal(echo_server):
    """Chaque ligne tapée reçoit sa réponse à l'écran, puis Ctrl+D fait partir avec 0."""
    with Terminal(ECHO, "-p", str(echo_server.port)) as terminal:
        for word in "bonjour", "c'est l'été":
            terminal.wait_for(
                lambda: terminal.lines[terminal.cursor[0]] == "Ton message :", "invite"
            )
            terminal.type(f"{word}\n")
            terminal.wait_screen(f'Hello client ! Received "{word}"')
        terminal.type("\x04")
        assert terminal.wait() == 0
        assert terminal.is_blocking
        assert "Traceback" not in terminal.text


def test_echo_in_a_pipe(echo_server):
    """Avec un tube, toutes les lignes partent et toutes les réponses sortent, code 0."""
    with in_pipe(ECHO, echo_server.port) as client:
        for number in range(20):
            client.write(f"message {number}")
        client.close_input()
        assert client.wait() == 0
        assert re.findall(r'Received "message (\d+)"', client.output) == list(map(str, range(20)))


def test_echo_leaves_cleanly_on_ctrl_c(room):
    """Ctrl+C ferme la connexion normalement (1000) et rend 0."""
    with Terminal(ECHO, "-p", str(room.port)) as terminal:
        terminal.wait_screen("Ton message :")
        terminal.type("salut\n")
        wait_for(lambda: room.received, "rien n'est arrivé")
        terminal.type("\x03")
        assert terminal.wait() == 0
        assert "Traceback" not in terminal.text
    wait_for(lambda: room.codes == [1000], lambda: f"codes de fermeture : {room.codes}")


def test_echo_says_when_the_server_leaves(echo_server):
    """Le serveur parti, le client le dit en une phrase sans attendre Entrée, et rend 1."""
    with Terminal(ECHO, "-p", str(echo_server.port)) as terminal:
        terminal.wait_screen("Ton message :")
        terminal.type("à demi tap")
        assert echo_server.stop() == 0
        assert terminal.wait() == 1
        assert "Le serveur est parti" in terminal.text
        assert "Traceback" not in terminal.text


@pytest.mark.parametrize("script", [ECHO, CHAT])
def test_nobody_listens(script):
    """Sans serveur : une phrase qui nomme l'adresse et le remède, code 1."""
    port = closed_port()
    with in_pipe(script, port) as client:
        client.write("Ada")
        client.close_input()
        assert client.wait() == 1
        assert f"ws://127.0.0.1:{port}" in client.lines[-1]
        assert "Traceback" not in client.output


@pytest.mark.parametrize("script", [ECHO, CHAT])
def test_not_a_websocket_server(script):
    """Face à un serveur qui n'est pas WebSocket : une phrase, code 1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with in_pipe(script, listener.getsockname()[1]) as client:
            client.write("Ada")
            client.close_input()
            assert client.wait() == 1
            assert "Pas de serveur WebSocket" in client.lines[-1]
            assert "Traceback" not in client.output
        thread.join()


@pytest.mark.parametrize("script", [ECHO, CHAT])
@pytest.mark.parametrize("address", ["adresse.invalid", "a..b", "::1", "deux mots"])
def test_impossible_address(script, address):
    """Une adresse qui ne mène nulle part : une phrase, code 1, jamais de traceback."""
    with in_pipe(script, closed_port(), "-a", address) as client:
        client.write("Ada")
        client.close_input()
        assert client.wait(20) == 1
        assert "Pas de serveur WebSocket" in client.lines[-1]
        assert "Traceback" not in client.output


@pytest.mark.parametrize("script", [ECHO, CHAT])
def test_unknown_option(script):
    """Une option inconnue est une erreur d'usage, code 2."""
    with in_pipe(script, 1, "--inconnue") as client:
        assert client.wait() == 2
        assert "--inconnue" in client.output


@pytest.mark.parametrize("script", [ECHO, CHAT])
def test_proxy_is_not_asked(script, room):
    """Un mandataire déclaré dans l'environnement ne détourne pas d'un serveur voisin."""
    proxy = f"http://127.0.0.1:{closed_port()}"
    with in_pipe(script, room.port, http_proxy=proxy, https_proxy=proxy, ws_proxy=proxy) as client:
        client.write("Ada")
        wait_for(lambda: room.received, client.lines.__repr__)


@pytest.mark.parametrize("script", [ECHO, CHAT])
def test_input_that_is_not_utf8(script, room):
    """Des octets qui ne sont pas de l'UTF-8 donnent une phrase, pas un traceback."""
    with tempfile.TemporaryFile() as typed:
        typed.write(b"Ada\ncaf\xe9\n")
        typed.seek(0)
        client = Process(sys.executable, ROOT / script, "-p", str(room.port), stdin=typed)
        client.wait()
    client.kill()
    assert "UTF-8" in client.output
    assert "Traceback" not in client.output


# --- I.3 : le chat, dans un tube -------------------------------------------------------------


def test_chat_in_a_pipe(chat_server):
    """Dans un tube : le pseudo, puis les messages, tous livrés dans l'ordre, et un départ."""
    with in_pipe(CHAT, chat_server.port) as reader, in_pipe(CHAT, chat_server.port) as author:
        author.write("Auteur")
        author.write("présent")
        author.wait_line("Vous avez dit : présent")
        reader.write("Lectrice")
        author.wait_line("Lectrice a rejoint la chatroom")
        for number in range(300):
            author.write(f"message {number}")
        author.close_input()
        assert author.wait(20) == 0
        reader.wait_line("Auteur a quitté la chatroom")
        said = re.findall(r"Auteur a dit : message (\d+)", reader.output)
        assert said == list(map(str, range(300)))
        assert author.output.count("Vous avez dit : message") == 300


def test_end_of_input_waits_for_a_slow_server(room):
    """À la fin de l'entrée, le client attend qu'un serveur lent ait tout lu."""

    async def slow(websocket: ServerConnection, hello: str) -> None:
        await websocket.send("ID|sesame")
        while len(room.received) < 61:
            await asyncio.sleep(0.06)  # en tout, bien plus que le close_timeout du client
            room.received.append(await websocket.recv())
            with suppress(
                ConnectionClosed
            ):  # au client parti sans attendre, cela rompt la connexion
                await websocket.send("[10:00] Bob a dit : oui")

    room.greet = slow
    messages = [f"{number} " + "x" * 10_000 for number in range(60)]
    with in_pipe(CHAT, room.port) as client:
        for line in "Ada", *messages:
            client.write(line)
        client.close_input()
        assert client.wait(20) == 0
    room.expect(["Hello|Ada", *messages])


def test_end_of_input_closes_normally(room):
    """À la fin de l'entrée, la connexion se ferme normalement (1000), code de sortie 0."""
    with in_pipe(CHAT, room.port) as client:
        client.write("Ada")
        client.write("au revoir")
        client.close_input()
        assert client.wait() == 0
    room.expect(["Hello|Ada", "au revoir"])
    wait_for(lambda: room.codes == [1000], lambda: f"codes de fermeture : {room.codes}")


def test_pipe_is_plain_text(room):
    """Hors d'un terminal : ni couleur, ni séquence d'échappement, une ligne par ligne."""
    with in_pipe(CHAT, room.port) as client:
        client.write("Ada")
        accepted(room)
        room.say("[10:00] Bob a dit : un\n[10:01] Bob a dit : deux")
        client.wait_line("deux")
        assert client.lines == [
            "Quel est ton pseudo ?",
            "[10:00] Bob a dit : un",
            "[10:01] Bob a dit : deux",
        ]


@pytest.mark.parametrize("code", [4003, 1008])
def test_refused_pseudo_in_a_pipe(room, code):
    """Un pseudo refusé dans un tube : la raison du serveur, une phrase, code 1, aucun message."""
    room.greet = refuse_once(room, code)
    with in_pipe(CHAT, room.port) as client:
        client.write("Ada")
        client.write("un message qui ne doit pas servir de pseudo")
        assert client.wait() == 1
        assert "Erreur : non" in client.output
        room.expect(["Hello|Ada"])


def refuse_once(room: Room, code: int):
    """Un accueil qui refuse le premier venu avec ce code, puis accepte."""
    welcome = room.greet

    async def greet(websocket: ServerConnection, hello: str) -> None:
        room.greet = welcome
        await websocket.send("Erreur : non")
        await websocket.close(code)

    return greet


# --- I.3 : le chat, dans un terminal ---------------------------------------------------------


def test_two_people_chat(chat_server):
    """Chacun voit l'autre arriver, parler et partir ; ses propres mots reviennent par « Vous »."""
    with in_terminal(chat_server.port, pseudo="Ada") as ada:
        ada.type("présente\n")
        ada.wait_screen("Vous avez dit : présente")
        with in_terminal(chat_server.port, pseudo="Bob") as bob:
            ada.wait_screen("Annonce : Bob a rejoint la chatroom")
            ada.type("bonjour\n")
            bob.wait_screen("Ada a dit : bonjour")
            ada.wait_screen("Vous avez dit : bonjour")
            assert "Ada a dit" not in ada.text
            bob.type("\x04")
            assert bob.wait() == 0
            ada.wait_screen("Annonce : Bob a quitté la chatroom")


def test_half_typed_line_stays_in_sight(room):
    """Pendant que 50 lignes arrivent, la ligne à demi tapée ne bouge pas, puis part entière."""
    with in_terminal(room.port) as terminal:
        accepted(room)
        terminal.type("à demi ta")
        terminal.wait_screen("> à demi ta")
        place = terminal.cursor
        room.say(*(f"[10:00] Bob a dit : ligne {number}" for number in range(50)))
        terminal.wait_screen("ligne 49")
        assert terminal.cursor == place
        assert terminal.lines[place[0]] == "> à demi ta"
        assert [line for line in terminal.lines if "ligne" in line] == [
            f"[10:00] Bob a dit : ligne {number}" for number in range(29, 50)
        ]
        terminal.type("pée\n")
        terminal.wait_screen("Vous avez dit : à demi tapée")
        room.expect(["Hello|Ada", "à demi tapée"])
        terminal.wait_for(lambda: terminal.lines[place[0]] == ">", "l'invite n'est pas revenue")


def test_typed_line_wraps_in_three_rows(room):
    """Une ligne tapée de trois rangées reste visible en entier pendant que d'autres parlent."""
    typed = "".join(f"{number:03} " for number in range(55))[:218]
    with in_terminal(room.port, rows=12) as terminal:
        accepted(room)
        terminal.type(typed)
        whole = f"> {typed}"
        rows = [whole[start : start + 80].rstrip() for start in (0, 80, 160)]
        terminal.wait_for(lambda: terminal.lines[-3:] == rows, "la ligne tapée n'est pas entière")
        room.say(*(f"[10:00] Bob a dit : ligne {number}" for number in range(20)))
        terminal.wait_screen("ligne 19")
        assert terminal.lines[-3:] == rows
        terminal.type("\n")
        wait_for(lambda: typed in room.received, "la longue ligne n'est pas partie")


@pytest.mark.parametrize("size", [(40, 80), (10, 80), (24, 120), (6, 50)])
def test_resize_is_followed(room, size):
    """La fenêtre change de taille : la ligne à demi tapée et l'invite restent en bas."""
    with in_terminal(room.port) as terminal:
        accepted(room)
        room.say(*(f"[10:00] Bob a dit : avant {number}" for number in range(5)))
        terminal.wait_screen("avant 4")
        terminal.type("à demi")
        terminal.wait_screen("> à demi")
        before = terminal.raw
        terminal.resize(*size)
        terminal.wait_for(lambda: len(terminal.raw) > len(before), "le client n'a pas suivi")
        room.say(*(f"[10:00] Bob a dit : après {number}" for number in range(50)))
        terminal.wait_screen("après 49")
        row = size[0] - 3
        assert terminal.lines[row] == "> à demi"
        assert terminal.lines[row - 1] == "[10:00] Bob a dit : après 49"
        assert sum("après" in line for line in terminal.lines) == row
        seen = terminal.history + terminal.lines
        for number in range(5):
            assert sum(f"avant {number}" in line for line in seen) == 1
        terminal.type("\n")
        terminal.wait_screen("Vous avez dit : à demi")


WAYS_OUT = {
    "Ctrl+C": (lambda terminal, room: terminal.type("\x03"), 0),
    "Ctrl+D": (lambda terminal, room: terminal.type("\x04"), 0),
    "Ctrl+\\": (lambda terminal, room: terminal.type("\x1c"), 0),
    "SIGTERM": (lambda terminal, room: terminal.send_signal(signal.SIGTERM), 0),
    "SIGHUP": (lambda terminal, room: terminal.send_signal(signal.SIGHUP), 0),
    "server": (lambda terminal, room: room.stop(), 1),
    "server cut": (lambda terminal, room: room.cut(), 1),
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_terminal_is_given_back(room, way):
    """Par toutes les sorties, le terminal est rendu : ni région, ni invite, ni mode étrange."""
    leave, code = WAYS_OUT[way]
    with in_terminal(room.port) as terminal:
        accepted(room)
        room.say("[10:00] Bob a dit : salut")
        terminal.wait_screen("Bob a dit : salut")
        assert not terminal.scrolls_whole
        leave(terminal, room)
        assert terminal.wait() == code
        assert terminal.scrolls_whole
        assert terminal.is_blocking
        assert ">" not in terminal.text
        assert "Bob a dit : salut" in terminal.text
        assert "Traceback" not in terminal.text


@pytest.mark.parametrize("way", ["Ctrl+C", "Ctrl+D", "SIGTERM"])
def test_leaving_before_the_pseudo(room, way):
    """On peut partir sans avoir donné de pseudo, code 0 et terminal rendu."""
    with Terminal(CHAT, "-p", str(room.port)) as terminal:
        terminal.wait_screen("Quel est ton pseudo ?")
        WAYS_OUT[way][0](terminal, room)
        assert terminal.wait() == 0
        assert terminal.scrolls_whole
        assert "Traceback" not in terminal.text


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_when_the_server_is_frozen(chat_server, presses):
    """Un serveur qui ne répond plus n'empêche pas de partir proprement, même en insistant."""
    with in_terminal(chat_server.port) as terminal:
        terminal.type("salut\n")
        terminal.wait_screen("Vous avez dit : salut")
        chat_server.send_signal(signal.SIGSTOP)
        for number in range(presses):
            terminal.type("\x03")
            terminal.wait_for(lambda n=number: terminal.raw.count(b"^C") > n, "Ctrl+C est ignoré")
        assert terminal.wait() == 0
        assert terminal.scrolls_whole
        assert "Traceback" not in terminal.text
        chat_server.send_signal(signal.SIGCONT)


def test_closing_the_window(room):
    """La fenêtre fermée, le client s'arrête et le serveur le voit partir."""
    with in_terminal(room.port) as terminal:
        accepted(room)
        terminal.hang_up()
        terminal.wait_exit()
    wait_for(lambda: room.codes, "le serveur ne l'a pas vu partir")


def test_server_leaving_is_said(chat_server):
    """Le serveur s'arrête : une phrase, code 1, tout de suite."""
    with in_terminal(chat_server.port) as terminal:
        terminal.type("salut\n")
        terminal.wait_screen("Vous avez dit : salut")
        chat_server.stop()
        assert terminal.wait() == 1
        assert terminal.text.rstrip().endswith("Le serveur s'arrête.")


def test_half_typed_line_is_not_left_to_the_shell(chat_server):
    """Une ligne en cours quand le serveur s'arrête ne devient pas une commande du shell."""
    with in_terminal(chat_server.port) as terminal:
        terminal.type("salut\n")
        terminal.wait_screen("Vous avez dit : salut")
        terminal.type("rm -rf est une comm")
        terminal.wait_screen("> rm -rf est une comm")
        chat_server.stop()
        assert terminal.wait() == 1
        assert terminal.left_for_the_shell() == b""


def test_stalled_terminal_loses_nothing(room):
    """2000 lignes vers un terminal figé une seconde arrivent toutes, une fois, dans l'ordre."""
    with in_terminal(room.port) as terminal:
        accepted(room)
        room.say("[10:00] Bob a dit : avant")
        terminal.wait_screen("avant")
        terminal.stall()
        room.send_all([f"[10:00] Bob a dit : {number:04} {'x' * 40}" for number in range(2000)])
        wait_for(lambda: terminal.unread > 4000, lambda: f"{terminal.unread} octets à lire")
        time.sleep(1)  # la durée du gel : de quoi jeter les 2000 lignes, pour qui les jette
        terminal.flow()
        terminal.wait_screen(" 1999 ", timeout=30)
        seen = "\n".join(terminal.history + terminal.lines)
        assert re.findall(r"Bob a dit : (\d{4}) x{40}", seen) == [f"{n:04}" for n in range(2000)]


def test_leaving_a_stalled_terminal(room):
    """Un terminal figé n'empêche pas SIGTERM d'arrêter le client."""
    with in_terminal(room.port) as terminal:
        accepted(room)
        terminal.stall()
        room.send_all([f"[10:00] Bob a dit : {'x' * 60}"] * 2000)
        wait_for(lambda: terminal.unread > 4000, lambda: f"{terminal.unread} octets à lire")
        terminal.send_signal(signal.SIGTERM)
        assert terminal.wait_exit() == 0


def test_colours(room):
    """Un pseudo garde sa couleur d'une ligne et d'un lancement à l'autre ; NO_COLOR les ôte."""
    pseudos = "Bob", "Eve", "Zoé", "Marguerite de Navarre"
    seen = []
    for env in {"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"}, {"NO_COLOR": "1"}:
        with in_terminal(room.port, **env) as terminal:
            accepted(room)
            room.received.clear()
            room.say(*(f"[10:00] {pseudo} a dit : salut" for pseudo in pseudos))
            room.say(*(f"[10:00] Annonce : {pseudo} a quitté la chatroom" for pseudo in pseudos))
            terminal.wait_screen(f"{pseudos[-1]} a quitté")
            text = terminal.raw.decode()
            seen.append([re.findall(rf"\x1b\[38;5;(\d+)m{p}\x1b\[0m", text) for p in pseudos])
    first, second, without = seen
    assert all(len(colours) == 2 and len(set(colours)) == 1 for colours in first)
    assert second == first
    assert without == [[], [], [], []]


def test_control_characters_never_act(room):
    """Ni couleur, ni effacement, ni sens d'écriture, ni cloche venus d'une trame n'agissent."""
    with in_terminal(room.port) as terminal:
        accepted(room)
        room.say(
            "[10:00] Eve a dit : \x1b[2J\x1b[31mrouge\x07\x9b2J\u202e\u2066 fin\r\tcaché",
            "Erreur : \x1b]0;titre\x07fin",
            b"[10:00] Eve a dit : bin\xe9aire \x1b[2J",
            "[10:00] Bob a dit : l'été, 5\u00a0€ \U0001f468\u200d\U0001f469",
        )
        terminal.wait_screen("l'été")
        text = terminal.raw.decode()
        assert "[2J[31mrouge2J fin  caché" in text
        assert "\x1b[2J" not in text and "\x1b]" not in text and "\x07" not in text
        assert "5\u00a0€ \U0001f468\u200d\U0001f469" in text
        assert not set(text) & set("\x9b\u202e\u2066")


@pytest.mark.parametrize("letter", ["x", "é", "€"])
def test_line_cut_by_the_terminal(room, letter):
    """Une ligne que le terminal coupe à 4095 octets ne part pas : une phrase le dit."""
    with in_terminal(room.port) as terminal:
        accepted(room)
        terminal.type(letter * 5000 + "\n")
        terminal.wait_screen("Ligne trop longue pour le terminal")
        terminal.type("courte\n")
        terminal.wait_screen("Vous avez dit : courte")
        room.expect(["Hello|Ada", "courte"])


def test_long_line_in_a_pipe_is_not_cut(room):
    """Dans un tube, rien ne coupe une ligne de plus de 4095 octets."""
    with in_pipe(CHAT, room.port) as client:
        client.write("Ada")
        client.write("é" * 5000)
        wait_for(lambda: "é" * 5000 in room.received, "la longue ligne n'est pas partie")


def test_empty_lines_are_not_sent(room):
    """Une ligne vide ou blanche ne part pas, et ne sert pas de pseudo."""
    with in_terminal(room.port, pseudo="") as terminal:
        terminal.type("   \nAda\n")
        accepted(room)
        terminal.type("\n  \nplein\n")
        terminal.wait_screen("Vous avez dit : plein")
        room.expect(["Hello|Ada", "plein"])


@pytest.mark.parametrize("code", [4003, 1008])
def test_refused_pseudo_is_asked_again(room, code):
    """Un pseudo refusé dans un terminal : la raison, puis la question de nouveau."""
    room.greet = refuse_once(room, code)
    with in_terminal(room.port) as terminal:
        terminal.wait_screen("Erreur : non")
        terminal.wait_for(
            lambda: terminal.text.count("Quel est ton pseudo ?") == 2, "pas redemandé"
        )
        terminal.type("Bob\n")
        accepted(room, "Bob")


def test_pseudo_taken_on_the_real_server(chat_server):
    """Le vrai serveur refuse un pseudo pris ; le second choix convient."""
    with in_terminal(chat_server.port, pseudo="Ada") as ada:
        ada.type("présente\n")
        ada.wait_screen("Vous avez dit : présente")
        with in_terminal(chat_server.port, pseudo="ADA") as other:
            other.wait_screen("Ce pseudo est déjà pris")
            other.type("Bob\n")
            ada.wait_screen("Annonce : Bob a rejoint la chatroom")


# --- I.3 : revenir ---------------------------------------------------------------------------


def test_comes_back_with_its_session(room):
    """Avec -r, une coupure est dite, puis le client revient avec son ID| et continue."""
    with in_terminal(room.port, "-r") as terminal:
        accepted(room)
        terminal.type("avant\n")
        terminal.wait_screen("Vous avez dit : avant")
        terminal.type("pendant la cou")
        room.close(1012)
        terminal.wait_screen("Le serveur redémarre. Je reviens")
        terminal.type("pure\n")
        terminal.wait_screen("Welcome back Ada !")
        terminal.wait_screen("Vous avez dit : pendant la coupure")
        room.expect(["Hello|Ada", "avant", "ID|sesame", "pendant la coupure"])


@pytest.mark.parametrize(
    ("code", "then"), [(4002, "Hello|Ada"), (1001, "ID|sesame"), (1013, "ID|sesame")]
)
def test_what_follows_a_close_code(room, code, then):
    """Avec -r, une session inconnue (4002) se présente de nouveau ; les autres codes reviennent."""
    with in_terminal(room.port, "-r"):
        accepted(room)
        room.close(code)
        wait_for(lambda: len(room.received) == 2, lambda: f"pas revenu : {room.received}")
        assert room.received[1] == then


def test_expired_session_loses_no_line(room):
    """Une ligne tapée pendant la coupure attend que le retour soit accepté, même refusé d'abord."""
    with in_terminal(room.port, "-r") as terminal:
        accepted(room)
        room.greet = refuse_once(room, 4002)
        room.close(1012)
        terminal.wait_screen("Je reviens")
        terminal.type("patience\n")
        wait_for(lambda: "patience" in room.received, lambda: f"perdue : {room.received}")
        room.expect(["Hello|Ada", "ID|sesame", "Hello|Ada", "patience"])


def test_session_taken_over_never_comes_back(room):
    """Même avec -r, le code 4001 arrête le client : sa session vit ailleurs."""
    with in_terminal(room.port, "-r") as terminal:
        accepted(room)
        room.close(4001)
        assert terminal.wait() == 1
        assert "Ta session continue ailleurs" in terminal.text
        room.expect(["Hello|Ada"])


def test_pseudo_taken_while_away(room):
    """Avec -r, un pseudo pris pendant l'absence (4003) se redemande, et s'annonce par Hello|."""
    with in_terminal(room.port, "-r") as terminal:
        accepted(room)
        room.greet = refuse_once(room, 4003)
        room.close(1012)
        terminal.wait_screen("Erreur : non")
        terminal.type("Eve\n")
        accepted(room, "Eve")


def test_real_server_restarted(chat_server):
    """Avec -r, le vrai serveur arrêté puis relancé sur le même port retrouve son client."""
    with in_terminal(chat_server.port, "-r") as terminal:
        terminal.type("un\n")
        terminal.wait_screen("Vous avez dit : un")
        chat_server.stop()
        terminal.wait_screen("Je reviens")
        again = Server("ws_i_3_server.py", port=chat_server.port)
        try:
            terminal.type("deux\n")
            terminal.wait_screen("Vous avez dit : deux", timeout=20)
        finally:
            again.kill()
