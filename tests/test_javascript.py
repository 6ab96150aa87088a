"""Les clients JavaScript : Node, la page d'écho et la page de la chatroom dans un vrai Chromium."""

import re
import shutil
import signal
import socket
import sys
import threading
from contextlib import suppress
from itertools import pairwise

import pytest
from support.browser import Profile, chromium, expect
from support.processes import ROOT, Process, Server, missing, wait_for
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

NODE_CLIENT = "ws_i_2_client.js"
ECHO_PAGE = "ws_i_2_client.html"
CHAT_PAGE = "ws_i_3_client.html"
NARROW = {"width": 360, "height": 640}


class FakeServer:
    """Un serveur dans un fil, qui appelle `scenario(connection, frame)` pour chaque trame reçue.

    `frames` garde tout ce qu'il a reçu, dans l'ordre ; il redémarre sur le même port.
    """

    def __init__(self, scenario):
        self.scenario = scenario
        self.frames: list[str] = []
        self.connections = []
        self.port = 0
        self.start()

    def start(self) -> None:
        self._server = serve(self._handle, "127.0.0.1", self.port)
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _handle(self, connection) -> None:
        self.connections.append(connection)
        with suppress(ConnectionClosed):
            for frame in connection:
                self.frames.append(frame)
                self.scenario(connection, frame)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        for connection in self.connections:
            connection.close(1001)

    def wait_frames(self, *expected: str) -> None:
        """Attend d'avoir reçu exactement ces trames, dans cet ordre."""
        wait_for(
            lambda: self.frames == list(expected),
            lambda: f"reçu {self.frames}, attendu {list(expected)}",
        )


def hospitable(connection, frame) -> None:
    """Un serveur de chat qui accepte tout le monde et ferme avec le code qu'on lui dit."""
    if frame.startswith("Hello|"):
        connection.send("ID|secret-42")
    elif frame.startswith("ID|"):
        connection.send("Welcome back Léa !")
    elif match := re.fullmatch(r"ferme (\d+)", frame):
        connection.close(int(match[1]))
    elif frame == "coupe":
        connection.socket.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def fake():
    """Fabrique des serveurs à scénario, arrêtés à la fin du test."""
    servers = []

    def start(scenario=hospitable) -> FakeServer:
        servers.append(FakeServer(scenario))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def run():
    """Lance de vrais processus, tués à la fin du test."""
    processes = []

    def start(kind, *arguments, **options):
        processes.append(kind(*arguments, **options))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


@pytest.fixture
def node(run):
    """Lance un script sous Node."""
    if reason := missing("node"):
        pytest.skip(reason)
    return lambda *arguments, **options: run(Process, "node", *arguments, **options)


@pytest.fixture
def echo_client(node):
    """Lance le client Node de l'étape I.2, qui a besoin du paquet ws."""
    if not (ROOT / "node_modules/ws").is_dir():
        pytest.skip("le paquet ws n'est pas installé : `npm install` active ce test")
    return lambda *arguments: node(NODE_CLIENT, *arguments)


@pytest.fixture(scope="module")
def browser():
    """Un Chromium pour tout ce fichier."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def profile(browser):
    """Un profil neuf ; une erreur de page ou de console fait échouer le test."""
    profile = Profile(browser)
    yield profile
    profile.check()


def join(profile, server, pseudo="Léa"):
    """Ouvre la chatroom dans un onglet, et entre."""
    page = profile.open(CHAT_PAGE, port=server.port)
    page.get_by_label("Pseudo").fill(pseudo)
    page.get_by_role("button", name="Rejoindre").click()
    expect(page.get_by_label("Ton message")).to_be_focused()
    return page


def say(page, text) -> None:
    page.get_by_label("Ton message").fill(text)
    page.get_by_label("Ton message").press("Enter")


def log(page):
    return page.get_by_role("log")


def state(page):
    return page.get_by_role("status")


def no_horizontal_scroll(page) -> bool:
    return page.evaluate(
        "[document.documentElement, ...document.querySelectorAll('body, #scroll')]"
        ".every((element) => element.scrollWidth <= element.clientWidth)"
    )


# --- Node ---------------------------------------------------------------------------------------


def test_node_client_exchanges_messages_then_leaves(run, echo_client):
    """Le client Node échange autant de messages que l'on veut, et la fin de l'entrée l'arrête."""
    server = run(Server, "ws_i_1_server.py")
    client = echo_client("127.0.0.1", server.port)
    for message in ("bonjour", "encore", "déjà vu 👋"):
        client.write(message)
        client.wait_line(re.escape(f'Hello client ! Received "{message}"'))
    client.close_input()
    assert client.wait() == 0
    assert server.alive


def test_node_client_sends_all_of_a_piped_file(run, echo_client):
    """Des lignes arrivées d'un coup par un tube partent toutes, dans l'ordre."""
    client = echo_client("127.0.0.1", run(Server, "ws_i_1_server.py").port)
    for number in range(50):
        client.write(f"ligne {number}")
    client.close_input()
    assert client.wait() == 0
    assert re.findall(r'"ligne (\d+)"', client.output) == [str(n) for n in range(50)]


def test_node_client_says_that_the_server_left(run, echo_client):
    """Quand le serveur s'en va, le client Node le dit en une phrase et sort avec 1."""
    server = run(Server, "ws_i_1_server.py")
    client = echo_client("127.0.0.1", server.port)
    client.write("bonjour")
    client.wait_line("Received")
    server.stop()
    client.wait_line("serveur est parti")
    assert client.wait() == 1


def test_node_client_stops_on_ctrl_c(fake, echo_client):
    """Ctrl+C arrête le client Node proprement, même s'il attend une réponse qui ne vient pas."""
    server = fake(lambda connection, frame: None)
    client = echo_client("127.0.0.1", server.port)
    client.write("bonjour")
    server.wait_frames("bonjour")
    assert client.stop(signal.SIGINT) == 0
    assert "Error" not in client.output


def test_node_client_leaves_a_frozen_server(run, echo_client):
    """Ctrl+C n'attend pas l'adieu d'un serveur qui ne répond plus."""
    server = run(Server, "ws_i_1_server.py")
    client = echo_client("127.0.0.1", server.port)
    client.write("bonjour")
    client.wait_line("Received")
    server.send_signal(signal.SIGSTOP)
    assert client.stop(signal.SIGINT) == 0


def test_node_client_survives_garbage(fake, echo_client):
    """Des octets qui ne sont pas du WebSocket finissent en une phrase, sans trace d'appels."""
    server = fake(lambda connection, frame: connection.socket.sendall(b"\xff" * 20))
    client = echo_client("127.0.0.1", server.port)
    client.write("bonjour")
    assert client.wait() == 1
    assert "rompue" in client.lines[-1]
    assert "    at " not in client.output


def test_node_client_without_server(echo_client):
    """Sans serveur, le client Node dit en une phrase qui ne répond pas et sort avec 1."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        client = echo_client("127.0.0.1", port)
        assert client.wait() == 1
    assert len(client.lines) == 1
    assert f"ws://127.0.0.1:{port}" in client.output


@pytest.mark.parametrize("port", ["65536", "-1", "abc", "8888x", ""])
def test_node_client_refuses_a_bad_port(echo_client, port):
    """Un port qui n'en est pas un est une erreur d'usage : une phrase, code 2."""
    client = echo_client("127.0.0.1", port)
    assert client.wait() == 2
    assert len(client.lines) == 1
    assert client.output.startswith("Usage : ")


def test_node_client_without_ws_says_how_to_get_it(node, tmp_path):
    """Sans le paquet ws, une phrase donne le remède, et le code est 1."""
    shutil.copy(ROOT / NODE_CLIENT, tmp_path)
    client = node(NODE_CLIENT, cwd=tmp_path)
    assert client.wait() == 1
    assert len(client.lines) == 1
    assert "npm install" in client.output


def test_chat_script_under_node_points_to_the_page(node):
    """Sous Node, le script de la page dit quelle page ouvrir et sort avec 1."""
    script = node("ws_i_3_client.js")
    assert script.wait() == 1
    assert len(script.lines) == 1
    assert CHAT_PAGE in script.output


# --- La page d'écho -----------------------------------------------------------------------------


def test_echo_page_exchanges_messages(run, profile):
    """La page d'écho montre chaque message envoyé et chaque réponse, puis le départ du serveur."""
    server = run(Server, "ws_i_1_server.py")
    page = profile.open(ECHO_PAGE)
    page.get_by_label("Adresse").fill(server.url)
    page.get_by_label("Adresse").press("Enter")
    expect(state(page)).to_have_text("Connecté")
    for message in ("bonjour", "<b>encore</b>"):
        say(page, message)
        expect(log(page)).to_contain_text(f'<<< Hello client ! Received "{message}"')
        server.wait_line(re.escape(f"<<< {message}"))
    server.stop()
    expect(state(page)).to_contain_text("parti")
    say(page, "trop tard")
    expect(state(page)).to_contain_text("Pas envoyé")
    expect(page.get_by_label("Ton message")).to_have_value("trop tard")


def test_echo_page_explains_a_bad_address(profile):
    """Une adresse impossible donne une phrase, et rien dans la console."""
    page = profile.open(ECHO_PAGE)
    page.get_by_label("Adresse").fill("pas une adresse")
    page.get_by_role("button", name="Se connecter").click()
    expect(state(page)).to_contain_text("ws://127.0.0.1:8888")


def test_echo_page_fits_a_phone(browser):
    """La page d'écho tient dans la largeur d'un téléphone, quel que soit le message."""
    profile = Profile(browser, viewport=NARROW)
    server = FakeServer(lambda connection, frame: connection.send("m" * 3000))
    try:
        page = profile.open(ECHO_PAGE)
        page.get_by_label("Adresse").fill(f"ws://127.0.0.1:{server.port}")
        page.get_by_label("Adresse").press("Enter")
        expect(state(page)).to_have_text("Connecté")
        say(page, "m" * 500)
        expect(log(page)).to_contain_text("<<< mmm")
        assert no_horizontal_scroll(page)
    finally:
        server.stop()
    profile.check()


# --- La chatroom, avec le vrai serveur ----------------------------------------------------------


def test_two_pages_chat(run, profile):
    """Deux pages se parlent : arrivées, messages et départs sont vus de l'autre."""
    server = run(Server, "ws_i_3_server.py")
    lea = join(profile, server, "Léa")
    zoe = join(profile, server, "Zoé")
    expect(log(lea)).to_contain_text("Annonce : Zoé a rejoint la chatroom")
    say(lea, "salut <i>toi</i> 👋")
    expect(log(lea)).to_contain_text("Vous avez dit : salut <i>toi</i> 👋")
    expect(log(zoe)).to_contain_text("Léa a dit : salut <i>toi</i> 👋")
    say(zoe, "salut")
    expect(log(lea)).to_contain_text("Zoé a dit : salut")
    expect(log(lea)).not_to_contain_text("Léa a dit")
    zoe.get_by_role("button", name="Quitter").click()
    expect(log(lea)).to_contain_text("Annonce : Zoé a quitté la chatroom")


def test_a_page_and_the_terminal_client_chat(run, profile):
    """La page et le client Python se comprennent, dans les deux sens."""
    server = run(Server, "ws_i_3_server.py")
    page = join(profile, server)
    client = run(Process, sys.executable, "ws_i_3_client.py", "-p", server.port)
    client.write("Zoé")
    expect(log(page)).to_contain_text("Annonce : Zoé a rejoint la chatroom")
    client.write("du terminal")
    expect(log(page)).to_contain_text("Zoé a dit : du terminal")
    say(page, "de la page")
    client.wait_line("Léa a dit : de la page")


def test_page_returns_by_itself_when_the_server_is_back(run, profile):
    """Le serveur tué puis relancé, la page revient seule et l'on parle de nouveau."""
    server = run(Server, "ws_i_3_server.py")
    lea, zoe = join(profile, server, "Léa"), join(profile, server, "Zoé")
    server.kill()
    expect(state(lea)).to_contain_text("nouvel essai")
    run(Server, "ws_i_3_server.py", port=server.port)
    for page, pseudo in ((lea, "Léa"), (zoe, "Zoé")):
        expect(state(page)).to_contain_text(f"{pseudo}, sur", timeout=30_000)
    say(lea, "me revoilà")
    expect(log(zoe)).to_contain_text("Léa a dit : me revoilà")


def test_reloading_keeps_the_session(run, profile):
    """Recharger la page ne fait pas un nouveau venu : les autres voient un retour."""
    server = run(Server, "ws_i_3_server.py")
    lea, zoe = join(profile, server, "Léa"), join(profile, server, "Zoé")
    lea.reload()
    expect(log(lea)).to_contain_text("Welcome back Léa !")
    expect(log(zoe)).to_contain_text("Annonce : Léa est de retour !")


def test_a_duplicated_tab_takes_the_session_over(run, profile):
    """Un onglet dupliqué prend la session ; le premier le dit et ne la reprend pas."""
    server = run(Server, "ws_i_3_server.py")
    first, zoe = join(profile, server, "Léa"), join(profile, server, "Zoé")
    session = first.evaluate("sessionStorage.getItem(location.href)")
    second = profile.open(CHAT_PAGE, port=server.port)
    second.evaluate("(session) => sessionStorage.setItem(location.href, session)", session)
    second.reload()
    expect(log(second)).to_contain_text("Welcome back Léa !")
    expect(first.get_by_role("alert")).to_contain_text("continue ailleurs")
    first.reload()
    expect(state(first)).to_have_text("Hors ligne")
    say(second, "c'est toujours moi")
    expect(log(zoe)).to_contain_text("Léa a dit : c'est toujours moi")
    expect(log(zoe)).not_to_contain_text("Léa a quitté")


def test_a_taken_pseudo_is_asked_again(run, profile):
    """Le vrai serveur refuse un pseudo pris : la page en demande un autre, et l'on entre avec."""
    server = run(Server, "ws_i_3_server.py")
    join(profile, server, "Léa")
    page = profile.open(CHAT_PAGE, port=server.port)
    page.get_by_label("Pseudo").fill("léa")
    page.get_by_label("Pseudo").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("pseudo")
    expect(page.get_by_label("Pseudo")).to_be_focused()
    page.get_by_label("Pseudo").fill("Zoé")
    page.get_by_label("Pseudo").press("Enter")
    expect(state(page)).to_contain_text("Zoé, sur")


# --- Les fermetures -----------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["ferme 1001", "ferme 1012", "ferme 1013", "coupe"])
def test_a_cut_makes_the_page_come_back(fake, profile, order):
    """Après 1001, 1012, 1013 ou une coupure (1006), la page revient avec son identifiant."""
    server = fake()
    page = join(profile, server)
    say(page, order)
    server.wait_frames("Hello|Léa", order, "ID|secret-42")
    expect(log(page)).to_contain_text("Welcome back Léa !")
    expect(state(page)).to_contain_text("Léa, sur")


@pytest.mark.parametrize("code", [1000, 1008, 4001, 4003])
def test_some_closings_are_final(fake, profile, code):
    """Après 1000, 1008, 4001 et 4003 la page ne revient jamais seule, et elle dit pourquoi."""
    server = fake()
    page = join(profile, server)
    page.clock.install()
    say(page, f"ferme {code}")
    expect(page.get_by_role("alert")).not_to_be_empty()
    expect(page.get_by_label("Pseudo")).to_be_focused()
    page.clock.fast_forward(600_000)
    page.reload()
    expect(state(page)).to_have_text("Hors ligne")
    server.wait_frames("Hello|Léa", f"ferme {code}")


def test_an_unknown_session_says_hello_again(fake, profile):
    """Si le serveur a oublié la session (4002), la page se représente aussitôt."""

    def forgetful(connection, frame):
        connection.close(4002) if frame.startswith("ID|") else hospitable(connection, frame)

    server = fake(forgetful)
    page = join(profile, server)
    say(page, "ferme 1012")
    server.wait_frames("Hello|Léa", "ferme 1012", "ID|secret-42", "Hello|Léa")
    expect(state(page)).to_contain_text("Léa, sur")
    expect(log(page)).not_to_contain_text("secret-42")


def test_the_reason_of_a_refusal_is_shown(fake, profile):
    """La raison donnée par le serveur avant de fermer est montrée telle quelle, comme du texte."""

    def strict(connection, frame):
        connection.send("Erreur : <b>pseudo</b> vide")
        connection.close(1008)

    page = profile.open(CHAT_PAGE, port=fake(strict).port)
    page.get_by_label("Pseudo").press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Erreur : <b>pseudo</b> vide")


def test_the_last_words_of_the_server_are_shown(fake, profile):
    """Si la session est perdue pendant qu'on parle, la page montre ce que le serveur en dit."""

    def lost(connection, frame):
        hospitable(connection, frame)
        if frame == "bonjour":
            connection.close(4001, "ce message n'est pas passé")

    page = join(profile, fake(lost))
    say(page, "bonjour")
    expect(page.get_by_role("alert")).to_contain_text("(ce message n'est pas passé)")


def test_delays_grow_up_to_a_cap(fake, profile):
    """Les retours s'espacent, jusqu'à une borne, tant que le serveur ferme aussitôt."""

    def closing(connection, frame):
        hospitable(connection, frame)
        if frame.startswith("ID|"):
            connection.close(1013)

    server = fake(closing)
    page = join(profile, server)
    page.clock.install()
    say(page, "ferme 1013")
    delays = []
    for attempt in range(1, 9):
        wait_for(lambda n=attempt: len(server.frames) == n + 1, "la page n'est pas revenue")
        expect(state(page)).to_contain_text("nouvel essai")
        delays.append(int(re.search(r"dans (\d+) s", state(page).inner_text())[1]))
        page.clock.fast_forward(20_000)
    assert delays[0] <= 2
    assert all(after >= before for before, after in pairwise(delays[:4])), delays
    assert max(delays) <= 19 and min(delays[-3:]) >= 11, delays


def test_an_absent_server_is_explained(profile):
    """Sans serveur, ou avec une adresse impossible, la page le dit et redemande l'adresse."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        page = profile.open(CHAT_PAGE, port=unused.getsockname()[1])
        page.get_by_label("Pseudo").fill("Léa")
        page.get_by_label("Pseudo").press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("ne répond pas")
        expect(page.get_by_label("Adresse")).to_be_focused()
    page.get_by_label("Adresse").fill("127.0.0.1:port")
    page.get_by_label("Adresse").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("n'a pas la forme")


def test_what_is_typed_while_cut_is_kept(fake, profile):
    """Ce que l'on tape pendant une coupure reste dans le champ, avec une explication."""
    server = fake()
    page = join(profile, server)
    server.stop()
    expect(state(page)).to_contain_text("nouvel essai")
    say(page, "pendant la coupure")
    expect(page.get_by_role("alert")).to_contain_text("Pas envoyé")
    expect(page.get_by_label("Ton message")).to_have_value("pendant la coupure")
    expect(log(page)).not_to_contain_text("pendant la coupure")
    server.start()
    expect(state(page)).to_contain_text("Léa, sur", timeout=30_000)
    expect(page.get_by_role("alert")).to_be_empty()
    page.get_by_label("Ton message").press("Enter")
    server.wait_frames("Hello|Léa", "ID|secret-42", "pendant la coupure")
    expect(log(page)).to_contain_text("Vous avez dit : pendant la coupure")


def test_two_tabs_do_not_share_their_session(fake, profile):
    """Un second onglet du même navigateur est un nouveau venu ; chacun garde sa session."""
    numbers = iter(range(100))

    def numbered(connection, frame):
        if frame.startswith("Hello|"):
            connection.send(f"ID|{next(numbers)}")
        else:
            hospitable(connection, frame)

    server = fake(numbered)
    first = join(profile, server, "Léa")
    second = join(profile, server, "Zoé")
    first.reload()
    server.wait_frames("Hello|Léa", "Hello|Zoé", "ID|0")
    second.reload()
    server.wait_frames("Hello|Léa", "Hello|Zoé", "ID|0", "ID|1")


def test_leaving_forgets_the_session(fake, profile):
    """Après « Quitter », recharger la page ne fait pas revenir."""
    server = fake()
    page = join(profile, server)
    page.get_by_role("button", name="Quitter").click()
    page.reload()
    expect(state(page)).to_have_text("Hors ligne")
    server.wait_frames("Hello|Léa")


# --- Les textes ---------------------------------------------------------------------------------


def test_frames_of_several_lines(fake, profile):
    """Une trame de plusieurs lignes donne autant de lignes, avec l'heure, l'auteur et le genre."""

    def talkative(connection, frame):
        connection.send("ID|secret-42")
        connection.send(
            "[10:01] Annonce : Zoé a rejoint la chatroom\n"
            "[24/11 23:59] Zoé a dit : a dit : deux fois\n"
            "[10:02] Léa a dit : ma propre voix, après un retour"
        )
        connection.send("Erreur : message trop long")

    page = join(profile, fake(talkative))
    lines = log(page).locator("p")
    expect(lines).to_have_text(
        [
            "10:01 Annonce : Zoé a rejoint la chatroom",
            "24/11 23:59 Zoé a dit : a dit : deux fois",
            "10:02 Léa a dit : ma propre voix, après un retour",
            "Erreur : message trop long",
        ]
    )
    kinds = lines.evaluate_all("(all) => all.map((line) => line.className)")
    assert kinds == ["news", "said", "said", "error"]
    expect(lines.locator("b").nth(1)).to_have_text("Zoé")


def test_hostile_text_stays_text(fake, profile):
    """Du HTML, des séquences ANSI ou des renversements reçus sont du texte, sans les contrôles."""
    hostile = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"

    def hostile_server(connection, frame):
        connection.send("ID|secret-42")
        connection.send(f"[10:00] {hostile} a dit : {hostile}")
        connection.send(f"[10:00] Annonce : {hostile} a rejoint la chatroom")
        connection.send("[10:00] Zoé a dit : \x1b[31mrouge\x1b[0m \u202ecod\u2066 a\u2028b\r\x07c")
        connection.send("[10:00] Zoé a dit : 👨‍👩‍👧 fin\u202f!")

    page = join(profile, fake(hostile_server))
    expect(log(page)).to_contain_text("👨‍👩‍👧")
    texts = log(page).locator("p").evaluate_all("(all) => all.map((line) => line.textContent)")
    assert texts == [
        f"10:00 {hostile} a dit : {hostile}",
        f"10:00 Annonce : {hostile} a rejoint la chatroom",
        "10:00 Zoé a dit : [31mrouge[0m cod a b c",
        "10:00 Zoé a dit : 👨‍👩‍👧 fin\u202f!",
    ]
    assert page.evaluate("window.hacked") is None
    assert log(page).locator("img, script").count() == 0


def test_a_message_is_cleaned_before_it_is_sent(fake, profile):
    """Ce qui part n'a ni contrôle ni saut de ligne, et un message vide ne part pas."""
    server = fake()
    page = join(profile, server)
    for empty in ("", "   ", "\u200b\u202e"):
        say(page, empty)
    say(page, "  e\u0301te\u0301 \u202e\u001b[31m\u3000fin\u202f! ")
    server.wait_frames("Hello|Léa", "été [31m fin\u202f!")
    expect(log(page)).to_have_text(re.compile(r"^\d\d:\d\d Vous avez dit : été \[31m fin.!$"))


def test_length_is_counted_in_code_points(fake, profile):
    """2000 emojis partent ; un de plus reste dans le champ, avec une explication."""
    server = fake()
    page = join(profile, server)
    say(page, "😀" * 2001)
    expect(page.get_by_role("alert")).to_contain_text("2001")
    expect(page.get_by_label("Ton message")).to_have_value("😀" * 2001)
    say(page, "😀" * 2000)
    server.wait_frames("Hello|Léa", "😀" * 2000)
    expect(page.get_by_role("alert")).to_be_empty()


def test_a_pseudo_keeps_its_colour(fake, profile):
    """La couleur d'un pseudo ne dépend que de lui : la même partout, une autre pour un autre."""

    def crowd(connection, frame):
        connection.send("ID|secret-42")
        connection.send("\n".join(f"[10:00] {who} a dit : ok" for who in ("Léa", "Léo", "Léa")))

    server = fake(crowd)
    hues = []
    for pseudo in ("A", "B"):
        names = log(join(profile, server, pseudo)).locator("b")
        expect(names).to_have_text(["Léa", "Léo", "Léa"])
        colours = names.evaluate_all("(all) => all.map((name) => getComputedStyle(name).color)")
        hues.append([float(re.match(r"oklch\(\S+ \S+ ([\d.]+)", colour)[1]) for colour in colours])
    lea, leo, again = hues[0]
    assert hues[0] == hues[1] and lea == again
    assert 30 < abs(lea - leo) < 330, "deux pseudos voisins ont presque la même teinte"


# --- La page pour tout le monde -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "fragment", "address"),
    [
        ({}, "", "ws://127.0.0.1:8888"),
        ({"port": 8889}, "", "ws://127.0.0.1:8889"),
        ({"address": "10.1.1.5", "port": 8889}, "", "ws://10.1.1.5:8889"),
        ({"address": "::1", "port": 8889}, "", "ws://[::1]:8889"),
        ({"address": "[::1]", "port": 8889}, "", "ws://[::1]:8889"),
        ({"address": "wss://chat.example/salle"}, "", "wss://chat.example/salle"),
        ({}, "port=8889", "ws://127.0.0.1:8889"),
    ],
)
def test_the_link_gives_the_address(profile, query, fragment, address):
    """L'adresse du serveur vient du lien qui ouvre la page, sinon c'est celle du TP."""
    page = profile.open(CHAT_PAGE, fragment, **query)
    expect(page.get_by_label("Adresse")).to_have_value(address)
    expect(page.get_by_label("Pseudo")).to_be_focused()


@pytest.mark.parametrize("width", [320, 360])
def test_nothing_overflows_on_a_phone(browser, fake, width):
    """Sur un téléphone rien ne dépasse en largeur, même avec des mots sans fin."""
    endless = "m" * 600

    def wordy(connection, frame):
        if frame == "Hello|refus":
            connection.send(f"Erreur : {endless}")
            connection.close(1008)
        connection.send("ID|secret-42")
        connection.send(f"[24/11 10:00] {endless[:32]} a dit : {endless}\nErreur : {endless}")

    server = fake(wordy)
    profile = Profile(browser, viewport={"width": width, "height": 640})
    page = profile.open(CHAT_PAGE, port=server.port)
    page.get_by_label("Pseudo").fill("refus")
    page.get_by_label("Pseudo").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text(endless)
    assert no_horizontal_scroll(page)
    page = join(profile, server, "W" * 32)
    say(page, endless)
    expect(log(page)).to_contain_text("Vous avez dit")
    assert no_horizontal_scroll(page)
    expect(page.get_by_label("Ton message")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name="Envoyer")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name="Quitter")).to_be_in_viewport(ratio=1)
    profile.check()


def test_the_keyboard_is_enough(fake, profile):
    """Du pseudo au départ, tout se fait au clavier, et l'on voit toujours où l'on est."""
    server = fake()
    page = profile.open(CHAT_PAGE, port=server.port)

    def focused(name: str) -> None:
        expect(page.locator(":focus")).to_have_accessible_name(name)
        outline = page.locator(":focus").evaluate("(e) => getComputedStyle(e).outlineStyle")
        assert outline == "solid"

    focused("Pseudo")
    page.keyboard.press("Shift+Tab")
    focused("Adresse du serveur")
    page.keyboard.press("Tab")
    page.keyboard.type("Léa")
    page.keyboard.press("Tab")
    focused("Rejoindre")
    page.keyboard.press("Enter")
    focused("Ton message")
    page.keyboard.type("bonjour")
    page.keyboard.press("Tab")
    focused("Envoyer")
    page.keyboard.press("Space")
    server.wait_frames("Hello|Léa", "bonjour")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    focused("Conversation")
    page.keyboard.press("Shift+Tab")
    focused("Quitter")
    page.keyboard.press("Enter")
    focused("Pseudo")


def test_a_screen_reader_finds_its_way(fake, profile):
    """La page dit sa langue ; champs, état, journal et alertes ont un nom et un rôle."""
    page = join(profile, fake())
    assert page.evaluate("document.documentElement.lang") == "fr"
    assert page.title()
    expect(log(page)).to_have_attribute("aria-live", "polite")
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    expect(state(page)).to_have_count(1)
    for field in page.locator("input").all():
        assert field.evaluate("(field) => field.labels.length") == 1
        described = field.get_attribute("aria-describedby")
        expect(page.locator(f"#{described}")).to_have_attribute("role", "alert")
    for button in page.locator("button").all():
        assert button.text_content().strip()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_schemes(browser, fake, scheme):
    """En clair comme en sombre, chaque texte a un contraste d'au moins 4,5 (WCAG 2.1, 1.4.3)."""

    def crowd(connection, frame):
        hospitable(connection, frame)
        connection.send("\n".join(f"[10:00] pseudo{n} a dit : ok" for n in range(80)))
        connection.send("[10:00] Annonce : Zoé a rejoint la chatroom\nErreur : trop long")

    profile = Profile(browser, color_scheme=scheme)
    server = fake(crowd)
    page = join(profile, server)
    expect(log(page)).to_contain_text("trop long")
    say(page, "à moi")
    say(page, "m" * 2001)
    expect(page.get_by_role("alert")).not_to_be_empty()
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 160
    worst = min(contrasts, key=lambda entry: entry["ratio"])
    assert worst["ratio"] >= 4.5, worst
    page_is_dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", page_is_dark))) < 200) == (scheme == "dark")
    profile.check()


# Pour chaque texte visible, le contraste entre sa couleur et le premier fond peint derrière lui.
CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const luminance = (colour) => {
    const [r, g, b] = [...rgba(colour)].map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return rgba(colour)[3] === 0 ? background(element.parentElement) : colour;
  };
  const hasText = (element) => [...element.childNodes]
    .some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  return [...document.body.querySelectorAll("*")]
    .filter((element) => element.checkVisibility() && hasText(element))
    .map((element) => {
      const pair = [getComputedStyle(element).color, background(element)].map(luminance);
      const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
      return { ratio, text: element.textContent };
    });
}"""


def test_the_view_follows_the_conversation(fake, profile):
    """La vue suit le dernier message, mais pas si l'on est remonté lire ; la page est bornée."""

    def numbered(first, last):
        return "\n".join(f"[10:00] Zoé a dit : numéro {n}." for n in range(first, last))

    server = fake()
    page = join(profile, server)
    (connection,) = server.connections
    connection.send(numbered(0, 1000))
    expect(page.get_by_text("numéro 999.")).to_be_in_viewport()

    page.locator("#scroll").evaluate("(area) => area.scrollBy(0, -3000)")
    expect(page.get_by_text("numéro 999.")).not_to_be_in_viewport()
    reading = page.evaluate("document.elementFromPoint(innerWidth / 2, innerHeight / 2).innerText")
    connection.send(numbered(1000, 1100))
    expect(page.get_by_text("numéro 1099.")).to_be_attached()
    expect(page.get_by_text(reading)).to_be_in_viewport()
    assert log(page).locator("p").count() == 1000

    say(page, "je parle : je veux me lire")
    expect(page.get_by_text("je veux me lire")).to_be_in_viewport()
