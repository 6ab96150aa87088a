"""Le client de terminal : ce qu'une personne voit et tape, et ce qui passe dans un tube."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import PIPE

import pytest
from support.fake_server import FakeServer, Scene, hospitable
from support.processes import PATIENCE, ROOT, Process, Server, clean_environment
from support.terminal import Terminal
from websockets.exceptions import ConnectionClosed

CLIENT = (sys.executable, "-m", "chatroom.client")
QUESTION = "Quel est ton pseudo ?"
WELCOME = "Te voilà dans la chatroom, sous le pseudo Léa."
PLAIN = ("dumb", "")
TEN = [f"ligne {number}" for number in range(1, 11)]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@contextmanager
def in_terminal(port: int, *options: str, pseudo: str = "Léa", **settings) -> Iterator[Terminal]:
    """Le client dans un terminal, entré sous ce pseudo."""
    with Terminal("chatroom.client", "-p", str(port), *options, **settings) as terminal:
        terminal.wait_screen(QUESTION if settings.get("TERM") in PLAIN else f"{QUESTION}\n>")
        terminal.type(f"{pseudo}\r")
        yield terminal


@contextmanager
def inside(server: FakeServer, *options: str, **settings) -> Iterator[Terminal]:
    """Le client dans un terminal, accueilli."""
    with in_terminal(server.port, *options, **settings) as terminal:
        terminal.wait_screen(WELCOME)
        yield terminal


@contextmanager
def in_pipe(port: int, *options: str, typed: str | None = None, **env: str) -> Iterator[Process]:
    """Le client dans un tube ; si `typed` est donné, c'est toute son entrée."""
    client = Process(*CLIENT, "-p", str(port), *options, **env)
    try:
        if typed is not None:
            client.write(typed)
            client.close_input()
        yield client
    finally:
        client.kill()
        assert "Traceback" not in client.output, client.output


def once(first: Scene) -> Scene:
    """Joue cette scène à la première trame, puis celle d'un serveur qui accepte tout le monde."""
    scenes = iter([first])
    return lambda connection, frame: next(scenes, hospitable)(connection, frame)


def refusing(code: int) -> Scene:
    def refuse(connection, frame):
        connection.send("Erreur : non")
        connection.close(code)

    return refuse


def closed_port() -> int:
    """Un port où personne n'écoute."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


# --- Un vrai serveur ---------------------------------------------------------------------------


@pytest.fixture(params=["ws_i_3_server.py", "chatroom"])
def chat(request: pytest.FixtureRequest) -> Iterator[Server]:
    settings = {}
    if request.param == "chatroom":
        settings["REDIS_URL"] = request.getfixturevalue("redis_url")
        settings["MONGO_URL"] = request.getfixturevalue("mongo_url")
    server = Server(request.param, **settings)
    yield server
    server.kill()


def test_two_people_chat(chat):
    """Chacun entre, sous le pseudo qu'on lui dit, voit l'autre arriver, parler et partir."""
    with in_terminal(chat.port, pseudo="Ada") as ada:
        ada.wait_screen("Te voilà dans la chatroom, sous le pseudo Ada.")
        with in_terminal(chat.port, pseudo="Bob") as bob:
            ada.wait_screen("Annonce : Bob a rejoint la chatroom")
            ada.type("bonjour\r")
            bob.wait_screen("Ada a dit : bonjour")
            ada.wait_screen("Vous avez dit : bonjour")
            assert "Ada a dit" not in ada.text
            bob.type("\x04")
            assert bob.wait() == 0
            ada.wait_screen("Annonce : Bob a quitté la chatroom")


def test_taken_pseudo_is_asked_again(chat):
    """Un pseudo pris se redemande ; ce qui est tapé d'avance n'en tient pas lieu."""
    with in_terminal(chat.port, pseudo="Ada") as ada:
        ada.wait_screen("sous le pseudo Ada.")
        with in_terminal(chat.port, pseudo="Ada\rd'avance") as other:
            other.wait_screen(f"ce pseudo est déjà pris, choisis-en un autre\n{QUESTION}")
            other.type("Bob\r")
            ada.wait_screen("Bob a dit : d'avance")


def test_killed_server_restarted(redis_url, mongo_url):
    """Le serveur tué puis relancé : la session revient, et ses messages avec elle."""
    settings = {"REDIS_URL": redis_url, "MONGO_URL": mongo_url}
    first = Server("chatroom", **settings)
    with in_terminal(first.port, pseudo="Ada") as ada:
        ada.wait_screen("sous le pseudo Ada.")
        first.kill()
        ada.wait_screen("La connexion est coupée. Je reviens dès que possible")
        ada.type("pendant la coupure\r")
        second = Server("chatroom", port=first.port, **settings)
        try:
            ada.wait_screen("Welcome back Ada !", timeout=20)
            ada.wait_screen("Vous avez dit : pendant la coupure")
        finally:
            second.kill()


# --- Ce qui se tape ----------------------------------------------------------------------------


def test_half_typed_line_under_a_flood(server):
    """Pendant que 3000 lignes arrivent, la ligne à demi tapée reste entière et se modifie."""
    with inside(server) as terminal:
        terminal.type("à demi tpée")
        terminal.wait_screen("> à demi tpée")
        for number in range(3000):
            server.say(f"[10:00] Bob a dit : {number:04}.")
            if number in (500, 1000, 1500):
                terminal.type("\x1b[D")  # flèche à gauche
            if number == 2000:
                terminal.type("a")
        terminal.wait_screen("2999.", timeout=30)
        terminal.wait_screen("> à demi tapée")
        seen = "\n".join(terminal.history + terminal.lines)
        assert re.findall(r"Bob a dit : (\d{4})\.", seen) == [f"{n:04}" for n in range(3000)]
        assert seen.count("demi") == 1
        terminal.type("\r")
        server.wait_frames("Hello|Léa", "à demi tapée")


def test_keys_while_a_slow_screen_is_written(server):
    """Une touche frappée pendant qu'un écran lent s'écrit n'apparaît que dans la ligne tapée."""
    with inside(server) as terminal:
        terminal.stall()
        server.say("\n".join(f"[10:00] Bob a dit : {number:04}." for number in range(600)))
        terminal.wait_for(lambda: terminal.unread > 4000, "l'écran n'est pas plein")
        terminal.type("é")
        terminal.flow()
        terminal.wait_screen("0599.\n> é")
        assert "\n".join(terminal.history + terminal.lines).count("é") == WELCOME.count("é") + 1


def test_history_of_what_was_said(server):
    """Les flèches rendent ce qu'on a dit, à redire ou à modifier."""
    with inside(server) as terminal:
        terminal.type("un\rdeux\r")
        terminal.wait_screen("Vous avez dit : deux\n>")
        for key, shown in ("\x1b[A", "> deux"), ("\x1b[A", "> un"), ("\x01pas ", "> pas un"):
            terminal.type(key)
            terminal.wait_screen(shown)
        terminal.type("\r")
        server.wait_frames("Hello|Léa", "un", "deux", "pas un")


def test_resize(server):
    """De 80 à 40 puis à 120 colonnes, la ligne à demi tapée reste entière, et ce qui suit aussi."""
    with inside(server) as terminal:
        terminal.type("à demi")
        for columns in 40, 120:
            terminal.wait_screen("> à demi")
            terminal.resize(24, columns)
            server.say(f"[10:00] Bob a dit : {'x' * (columns - 20)}")
            terminal.wait_screen(f"[10:00] Bob a dit : {'x' * (columns - 20)}\n> à demi")
        terminal.type(" tapée\r")
        server.wait_frames("Hello|Léa", "à demi tapée")


@pytest.mark.parametrize("end", ["", "\r"], ids=["sans retour final", "avec"])
def test_ten_pasted_lines(server, end):
    """Dix lignes collées s'écrivent d'abord à l'invite ; Entrée en fait dix messages."""
    with inside(server) as terminal:
        terminal.type("\x1b[200~" + "\r".join(TEN) + end + "\x1b[201~")
        terminal.wait_screen("ligne 10")
        assert server.frames == ["Hello|Léa"]
        terminal.type("\r")
        server.wait_frames("Hello|Léa", *TEN)


def test_ten_lines_pasted_by_a_plain_terminal(server):
    """Sans marques de collage, chaque retour vaut Entrée ; une fin sans retour attend."""
    with inside(server) as terminal:
        terminal.type("\r".join(TEN))
        server.wait_frames("Hello|Léa", *TEN[:9])
        terminal.wait_screen("> ligne 10")


def test_blank_lines_are_not_sent(server):
    """Une ligne vide ou blanche n'est ni un pseudo ni un message."""
    with in_terminal(server.port, pseudo="  \r\rLéa") as terminal:
        terminal.wait_screen(WELCOME)
        terminal.type("\r  \rplein\r")
        server.wait_frames("Hello|Léa", "plein")


# --- Ce qui se montre --------------------------------------------------------------------------


def test_control_characters_never_act(server):
    """Ni couleur, ni effacement, ni sens d'écriture, ni cloche venus d'une trame n'agissent."""
    with inside(server) as terminal:
        server.say("[10:00] Eve a dit : \x1b[2J\x1b]0;t\x07\x9b2J\u202e fin\r\t\u00a0!")
        terminal.wait_screen("[2J]0;t2J fin")
        assert not set(terminal.raw.decode()) & set("\x07\x9b\u202e")
        assert b"\x1b[2J" not in terminal.raw and b"\x1b]" not in terminal.raw


def test_colours(server):
    """Un pseudo garde sa couleur d'une ligne et d'un lancement à l'autre ; NO_COLOR les ôte."""
    seen = []
    for env in {"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"}, {"NO_COLOR": "1"}:
        with inside(server, **env) as terminal:
            server.say("[10:00] Bob a dit : oui\n[31/12 10:00] Annonce : Bob a quitté la chatroom")
            terminal.wait_screen("Bob a quitté la chatroom")
            seen.append(re.findall(r"\x1b\[([0-9;]+)mBob\x1b\[0m", terminal.raw.decode()))
            if "NO_COLOR" in env:
                assert not re.search(rb"\x1b\[[0-9;]*[1-9][0-9;]*m", terminal.raw)
    assert len(seen[0]) == 2 and len(set(seen[0])) == 1
    assert seen == [seen[0], seen[0], []]


@pytest.mark.parametrize("term", PLAIN)
def test_plain_terminal(server, term):
    """TERM=dumb ou vide : aucune séquence d'échappement, et le client sert quand même."""
    with inside(server, TERM=term) as terminal:
        server.say("[10:00] Bob a dit : salut")
        terminal.wait_screen("[10:00] Bob a dit : salut")
        terminal.type("bonjour\n")
        terminal.wait_screen("Vous avez dit : bonjour")
        terminal.type("\x04")
        assert terminal.wait() == 0
        assert b"\x1b" not in terminal.raw


# --- Partir ------------------------------------------------------------------------------------


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl+C", "Ctrl+D"])
def test_leaving(server, key, term):
    """Ctrl+C et Ctrl+D ferment normalement (1000), avec 0, et rendent le terminal."""
    with inside(server, TERM=term) as terminal:
        terminal.type(key)
        assert terminal.wait() == 0
        assert terminal.echoes and terminal.is_blocking
        assert ">" not in terminal.text and "Traceback" not in terminal.text
    assert server.connections[0].close_code == 1000


def test_leaving_before_the_pseudo():
    """On peut partir sans avoir donné de pseudo."""
    with Terminal("chatroom.client") as terminal:
        terminal.wait_screen(f"{QUESTION}\n>")
        terminal.type("\x04")
        assert terminal.wait() == 0


def test_leaving_a_frozen_server():
    """Un serveur figé n'empêche pas de partir."""
    chat = Server("ws_i_3_server.py")
    try:
        with in_terminal(chat.port) as terminal:
            terminal.wait_screen(WELCOME)
            chat.send_signal(signal.SIGSTOP)
            terminal.type("salut\r\x04")
            assert terminal.wait() == 0
            assert "Traceback" not in terminal.text
    finally:
        chat.kill()


def test_no_reconnect(server):
    """Avec --no-reconnect, le serveur parti est une phrase, et 1 ; rien ne reste au shell."""
    with inside(server, "--no-reconnect") as terminal:
        terminal.type("rm à demi tapé")
        terminal.wait_screen("> rm à demi tapé")
        server.stop()
        assert terminal.wait() == 1
        assert terminal.text.rstrip().endswith("La connexion est coupée : le serveur s'arrête.")
        assert terminal.left_for_the_shell() == b""


# --- Revenir -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason", "told", "hello"),
    [
        (1001, "", " : le serveur s'arrête", "ID|secret-42"),
        (1012, "ton serveur s'est\ttu", " : ton serveur s'est tu", "ID|secret-42"),
        (1013, "", "", "ID|secret-42"),
        (4002, "session inconnue", " : session inconnue", "Hello|Léa"),
    ],
)
def test_coming_back(server, code, reason, told, hello):
    """Chaque fermeture se dit, avec la raison du serveur, et le client revient ; il dit alors ce
    qui attendait."""
    with inside(server) as terminal:
        server.connections[0].close(code, reason)
        terminal.wait_screen(f"La connexion est coupée{told}. Je reviens dès que possible")
        terminal.type("pendant la coupure\r")
        server.wait_frames("Hello|Léa", hello, "pendant la coupure")


@pytest.mark.parametrize("code", [1008, 1013])
def test_return_that_is_refused_for_now(server, code):
    """Un retour refusé pour l'instant se retente, avec la même session."""
    with inside(server) as terminal:
        server.scene = once(refusing(code))
        server.connections[0].close(1001)
        terminal.wait_screen("Welcome back Léa !")
        server.wait_frames("Hello|Léa", "ID|secret-42", "ID|secret-42")


@pytest.mark.parametrize("code", [4003, 1008])
def test_refused_pseudo_is_asked_again(server, code):
    """Un pseudo refusé : la raison, puis la question de nouveau."""
    server.scene = once(refusing(code))
    with in_terminal(server.port, pseudo="Bob") as terminal:
        terminal.wait_screen("Erreur : non")
        terminal.wait_for(lambda: terminal.text.count(QUESTION) == 2, "pas redemandé")
        terminal.type("Léa\r")
        terminal.wait_screen(WELCOME)
        server.wait_frames("Hello|Bob", "Hello|Léa")


def test_session_taken_over_never_comes_back(server):
    """4001 arrête le client : sa session vit ailleurs."""
    with inside(server) as terminal:
        server.connections[0].close(4001)
        assert terminal.wait() == 1
        assert "ta session continue ailleurs" in terminal.text
        server.wait_frames("Hello|Léa")


def test_server_started_late():
    """Sans serveur, une seule phrase ; dès qu'il est là, le client entre."""
    server = FakeServer()
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        server.port = deaf.getsockname()[1]
        with in_terminal(server.port) as terminal:
            for _ in range(3):
                deaf.accept()[0].close()
            deaf.close()
            with server:
                terminal.wait_screen(WELCOME)
            assert terminal.text.count(f"Pas de serveur WebSocket à {server.url} : ") == 1


def test_own_messages_around_a_cut(server):
    """Après une coupure, ce que le serveur n'a peut-être pas lu est marqué ; ce qu'un retour rend
    de soi démarque le plus ancien pareil, et n'est jamais montré comme les mots d'un autre."""
    with inside(server) as terminal:
        terminal.type("vu\r")
        terminal.wait_screen("Vous avez dit : vu")
        server.say("[10:00] Bob a dit : oui")
        terminal.wait_screen("Bob a dit : oui")
        terminal.type("pareil\rpareil\rcoupe\r")
        terminal.wait_screen("Peut-être pas reçu : coupe")
        assert re.findall("Peut-être pas reçu : (.*)", terminal.text) == 2 * ["pareil"] + ["coupe"]
        terminal.wait_screen("Welcome back Léa !")
        server.say("\n".join(f"[10:00] Léa a dit : {text}" for text in ["vu"] + 3 * ["pareil"]))
        server.say("[10:00] Bob a dit : Léa a dit : pareil")
        terminal.wait_screen("Bob a dit : Léa a dit : pareil")
        assert re.findall("Bien reçu : (.*)", terminal.text) == 2 * ["pareil"]
        assert terminal.text.count("Léa a dit") == 1


# --- Dans un tube ------------------------------------------------------------------------------


def test_pipe_is_plain_text(server):
    """Hors d'un terminal : ni couleur, ni séquence d'échappement."""
    with in_pipe(server.port) as client:
        client.write("Léa")
        client.wait_line(WELCOME)
        server.say("[10:00] Bob a dit : un\n[10:01] Bob a dit : deux")
        client.wait_line("deux")
        assert client.lines[2:] == ["[10:00] Bob a dit : un", "[10:01] Bob a dit : deux"]


def test_end_of_input_waits_for_a_slow_server(server):
    """À la fin de l'entrée, le client attend qu'un serveur lent ait tout lu, puis rend 0."""

    def slow(connection, frame):
        time.sleep(0.05)  # en tout, bien plus que ce qu'une fermeture attend
        hospitable(connection, frame)
        with suppress(ConnectionClosed):  # au client parti trop tôt, cela romprait la connexion
            connection.send("[10:00] Bob a dit : oui")

    server.scene = slow
    messages = [f"{number} " + "x" * 1000 for number in range(60)]
    with in_pipe(server.port, typed="\n".join(["Léa", *messages])) as client:
        assert client.wait(20) == 0
    server.wait_frames("Hello|Léa", *messages)


def test_refused_pseudo_in_a_pipe(server):
    """Un pseudo refusé : une phrase, 1, et aucun message n'est parti ni n'a servi de pseudo."""
    server.scene = refusing(4003)
    with in_pipe(server.port, typed="Léa\nun message") as client:
        assert client.wait() == 1
        assert client.lines[-2:] == ["Erreur : non", "La connexion est coupée."]
    server.wait_frames("Hello|Léa")


@pytest.mark.parametrize("address", ["::1", "a..b"])
def test_nobody_listens(address):
    """Sans serveur et sans retour : une phrase qui nomme l'adresse, et 1."""
    port, host = closed_port(), f"[{address}]" if ":" in address else address
    with in_pipe(port, "-a", address, "--no-reconnect", typed="Léa") as client:
        assert client.wait() == 1
        assert client.lines[-1].startswith(f"Pas de serveur WebSocket à ws://{host}:{port} : ")


def test_proxy_is_not_asked(server):
    """Un mandataire déclaré dans l'environnement ne détourne pas d'un serveur voisin."""
    proxy = f"http://127.0.0.1:{closed_port()}"
    with in_pipe(server.port, typed="Léa", http_proxy=proxy, ws_proxy=proxy) as client:
        assert client.wait() == 0
    server.wait_frames("Hello|Léa")


def run(command: str, **env: str) -> subprocess.CompletedProcess:
    """Lance une ligne de shell où `client` est le nôtre."""
    command = command.replace("client", " ".join(CLIENT))
    environment = clean_environment(**env)
    return subprocess.run(command, shell=True, capture_output=True, cwd=ROOT, env=environment)


@pytest.mark.parametrize("closed", ["<&-", "</dev/null >&-"])
def test_closed_input_or_output(closed):
    """Une entrée ou une sortie fermée est une phrase, pas un traceback."""
    done = run(f"client {closed}")
    assert done.returncode == 1
    assert done.stderr.decode().startswith("L'entrée ou la sortie est fermée")
    assert done.stderr.count(b"\n") == 1


def test_bytes_that_are_not_utf8(server):
    """Une entrée ou une sortie d'un autre codage : le client montre et dit ce qu'il peut."""
    assert run(rf"printf 'L\351a\n\351\n' | client -p {server.port}").returncode == 0
    done = run(f"printf 'Eve\n' | client -p {server.port}", PYTHONIOENCODING="ascii")
    assert done.stdout.splitlines()[1] == b"Te voil? dans la chatroom, sous le pseudo Eve."
    server.wait_frames("Hello|L\ufffda", "\ufffd", "Hello|Eve")


def test_reader_that_goes_away(server):
    """Si plus personne ne lit sa sortie (`| head -1`), le client s'arrête sans un mot."""
    command = [*CLIENT, "-p", str(server.port)]
    with subprocess.Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE) as client:
        assert client.stdout.readline().decode() == f"{QUESTION}\n"
        client.stdout.close()
        client.stdin.write("Léa\n".encode())
        client.stdin.flush()
        assert (client.wait(10 * PATIENCE), client.stderr.read()) == (1, b"")


@pytest.mark.parametrize("options", ["-p 99999", "--inconnue"])
def test_impossible_options(options):
    """Une option impossible : 2, et ce qui ne va pas."""
    done = run(f"client {options}")
    assert done.returncode == 2
    assert options.split()[-1] in done.stderr.decode()


def test_needs_no_database():
    """Le client se lance sans les bibliothèques de Redis et de MongoDB."""
    absent = "import sys; sys.modules.update(redis=None, motor=None, pymongo=None)"
    command = [sys.executable, "-c", f"{absent}; import chatroom.client"]
    assert subprocess.run(command, cwd=ROOT).returncode == 0
