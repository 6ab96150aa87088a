"""La page de la chatroom, dans un vrai Chromium, face à de vrais serveurs et à un faux."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise

import pytest
from support.browser import Browser, Page, Profile, chromium, expect
from support.fake_server import FakeServer, hospitable
from support.processes import Server, wait_for

PAGE = "ws_i_3_client.html"
# La page y parle aux quatre de la même façon ; le tour ordinaire en essaie deux.
SERVERS = [
    "ws_i_3_server.py",
    pytest.param("ws_ii_2_server.py", marks=pytest.mark.endurance),
    pytest.param("ws_ii_3_server.py", marks=pytest.mark.endurance),
    "chatroom",
]
# Un onglet coûte cher à ouvrir : de plusieurs codes semblables, le tour ordinaire en essaie un.
FINAL = [
    pytest.param(1000, "code 1000", marks=pytest.mark.endurance),
    pytest.param(1008, "pas voulu", marks=pytest.mark.endurance),
    pytest.param(4001, "continue ailleurs", marks=pytest.mark.endurance),
    (4003, "déjà pris"),
]
PASSING = [
    pytest.param("ferme 1001", marks=pytest.mark.endurance),
    pytest.param("ferme 1012", marks=pytest.mark.endurance),
    "ferme 1013",
    "coupe",
]
Fake = Callable[..., FakeServer]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def profile(browser: Browser) -> Iterator[Profile]:
    """Un profil neuf ; une erreur de page ou de console fait échouer le test."""
    profile = Profile(browser)
    yield profile
    profile.check()


@pytest.fixture
def fake() -> Iterator[Fake]:
    """Lance des serveurs de comédie, arrêtés à la fin du test."""
    with ExitStack() as stack:
        yield lambda scene=hospitable: stack.enter_context(FakeServer(scene))


def knock(profile: Profile, port: int, pseudo: str = "Léa") -> Page:
    page = profile.open(PAGE, port=port)
    page.get_by_label("Pseudo").fill(pseudo)
    page.get_by_role("button", name="Rejoindre").click()
    return page


def join(profile: Profile, server: FakeServer | Server, pseudo: str = "Léa") -> Page:
    page = knock(profile, server.port, pseudo)
    expect_state(page, f"{pseudo}, sur")
    return page


def say(page: Page, text: str) -> None:
    page.get_by_label("Ton message").fill(text)
    page.get_by_label("Ton message").press("Enter")


def expect_state(page: Page, text: str) -> None:
    expect(page.get_by_role("status")).to_contain_text(text, timeout=30_000)


def expect_alert(page: Page, text: str) -> None:
    expect(page.get_by_role("alert")).to_contain_text(text)


def expect_said(page: Page, *lines: str) -> None:
    """Attend que les dernières lignes visibles, sans leur heure, soient celles-ci."""

    def said() -> list[str]:
        visible = page.get_by_role("log").inner_text().splitlines()
        return [re.sub(r"^[\d/: ]+", "", line) for line in visible if line][-len(lines) :]

    wait_for(lambda: said() == list(lines), lambda: f"on voit {said()}")


@pytest.mark.parametrize("program", SERVERS)
def test_two_pages_chat(profile: Profile, redis_url: str, mongo_url: str, program: str):
    """Deux pages se parlent. La conversation survit à un rechargement, et au serveur relancé."""
    urls = {"REDIS_URL": redis_url, "MONGO_URL": mongo_url}
    with ExitStack() as stack:
        server = Server(program, **urls)
        stack.callback(server.kill)
        lea = join(profile, server, "Léa")
        expect_said(lea, "Te voilà dans la chatroom, sous le pseudo Léa.")
        zoe = join(profile, server, "Zoé")
        expect_said(lea, "Annonce : Zoé a rejoint la chatroom")
        say(lea, "salut <i>toi</i> 👋")
        expect_said(zoe, "Léa a dit : salut <i>toi</i> 👋")
        zoe.reload()
        expect_state(zoe, "Zoé, sur")
        expect(zoe.get_by_text("a dit : salut <i>toi</i> 👋").first).to_be_visible()
        say(zoe, "bien lu")
        expect_said(lea, "Zoé a dit : bien lu")

        server.stop()
        expect_state(lea, "Nouvel essai")
        say(lea, "pendant la coupure")
        expect_alert(lea, "Ton message t'attend ici")
        stack.callback(Server(program, port=server.port, **urls).kill)
        for page, pseudo in ((lea, "Léa"), (zoe, "Zoé")):
            expect_state(page, f"{pseudo}, sur")
        lea.get_by_label("Ton message").press("Enter")
        expect_said(zoe, "Léa a dit : pendant la coupure")

        zoe.get_by_role("button", name="Quitter").click()
        expect_said(lea, "Annonce : Zoé a quitté la chatroom")
        zoe.reload()
        expect_state(zoe, "Hors ligne")


# --- Les fermetures -----------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "reason"), FINAL)
def test_some_closings_are_final(fake: Fake, profile: Profile, code: int, reason: str):
    """Après ces codes la page ne revient jamais seule, et elle dit pourquoi."""
    server = fake()
    page = join(profile, server)
    page.clock.install()
    say(page, f"ferme {code}")
    expect_alert(page, reason)
    expect(page.get_by_label("Pseudo")).to_be_focused()
    page.clock.fast_forward(600_000)
    page.reload()
    expect_state(page, "Hors ligne")
    server.wait_frames("Hello|Léa", f"ferme {code}")


@pytest.mark.parametrize("order", PASSING)
def test_other_closings_are_not(fake: Fake, profile: Profile, order: str):
    """La page revient avec son identifiant ; si le serveur l'a oublié (4002), elle se présente."""

    def forgetful(connection, frame):
        connection.close(4002) if frame.startswith("ID|") else hospitable(connection, frame)

    server = fake(forgetful)
    page = join(profile, server)
    say(page, order)
    server.wait_frames("Hello|Léa", order, "ID|secret-42", "Hello|Léa")
    expect_state(page, "Léa, sur")


def test_the_same_hello_is_tried_again_later(fake: Fake, profile: Profile):
    """1013 : la page garde sa session et se représente de même, à l'arrivée comme au retour."""
    refusals = iter([True, True, False] * 2)

    def busy(connection, frame):
        if frame and next(refusals):
            connection.send("Erreur : Redis ne répond pas")
            connection.close(1013)
        else:
            hospitable(connection, frame)

    server = fake(busy)
    page = knock(profile, server.port)
    expect_state(page, "s. Erreur : Redis ne répond pas")
    server.wait_frames(*["Hello|Léa"] * 3)
    expect_state(page, "Léa, sur")
    page.reload()
    server.wait_frames(*["Hello|Léa"] * 3, *["ID|secret-42"] * 3)
    expect_state(page, "Léa, sur")


def test_delays_grow_up_to_a_cap(fake: Fake, profile: Profile):
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
        expect_state(page, "Nouvel essai")
        status = page.get_by_role("status").inner_text()
        delays.append(int(re.search(r"dans (\d+) s", status)[1]))
        page.clock.fast_forward(20_000)
    assert all(after >= before for before, after in pairwise(delays[:4])), delays
    assert delays[0] <= 2 and max(delays) <= 19 and min(delays[-3:]) >= 11, delays


def test_refusals_and_absences_are_told_apart(fake: Fake, profile: Profile):
    """Personne à l'adresse, une qui avale tout, une impossible, un refus : la page dit quoi."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        page = profile.open(PAGE, port=port)
        page.clock.install()
        page.get_by_label("Pseudo").press("Enter")
        expect_state(page, "Connexion à")
        page.clock.fast_forward(16_000)
        expect_alert(page, f"ws://127.0.0.1:{port} ne répond pas")
        expect(page.get_by_label("Adresse")).to_be_focused()
    expect_alert(knock(profile, port), f"ws://127.0.0.1:{port} ne répond pas")
    page.get_by_label("Adresse").fill("127.0.0.1:port")
    page.get_by_label("Adresse").press("Enter")
    expect_alert(page, "n'a pas la forme")

    def strict(connection, frame):
        connection.send("Erreur : <b>pseudo</b> vide")
        connection.close(1008)

    expect_alert(knock(profile, fake(strict).port), "Erreur : <b>pseudo</b> vide")


# --- Les coupures sans bruit, et ce qui n'est peut-être pas passé --------------------------------

DOUBTFUL = "Vous avez dit : perdu ? (peut-être pas reçu)"


def test_a_silent_cut_is_noticed(fake: Fake, profile: Profile):
    """Plus rien n'arrive : la page demande, n'entend rien, le dit, et revient dans la minute.

    Ce qu'elle a dit depuis la dernière trame reçue est marqué ; au retour, ce que le serveur lui
    rend n'est ni redit ni attribué à quelqu'un d'autre, et la plus ancienne marque s'efface.
    """
    server = fake()
    page = join(profile, server)
    page.clock.install()
    passed = "Vous avez dit : perdu ?"
    say(page, "perdu ?")
    server.wait_frames("Hello|Léa", "perdu ?")
    server.say("[10:00] Zoé a dit : non")
    expect_said(page, passed, "Zoé a dit : non")
    server.hush()
    for _ in range(2):
        say(page, "perdu ?")
    page.clock.fast_forward(31_000)
    expect_state(page, "Léa, sur")
    page.clock.fast_forward(15_000)
    expect_state(page, "plus signe de vie")
    expect_said(page, passed, "Zoé a dit : non", DOUBTFUL, DOUBTFUL)
    page.clock.fast_forward(10_000)
    server.wait_frames("Hello|Léa", "perdu ?", "ID|secret-42")
    server.say("[10:02] Léa a dit : perdu ?\n[10:03] Zoé a dit : oui")
    returned = passed, DOUBTFUL, "Welcome back Léa !", "Zoé a dit : oui"
    expect_said(page, passed, "Zoé a dit : non", *returned)


@pytest.mark.parametrize("answers", [True, False])
def test_a_quiet_connection_stays(fake: Fake, profile: Profile, answers: bool):
    """Un serveur qui répond aux trames vides est gardé ; à l'autre, on ne redemande rien."""
    asked = []

    def counting(connection, frame):
        asked.append(frame)
        if frame or answers:
            hospitable(connection, frame)

    server = fake(counting)
    page = profile.open(PAGE, port=server.port)
    page.clock.install()
    page.get_by_label("Pseudo").press("Enter")
    expect_state(page, ", sur")
    page.evaluate("globalThis.heard = 0; socket.addEventListener('message', () => heard++)")
    for turn in range(1, 4):
        page.clock.fast_forward(31_000)
        if answers:
            page.wait_for_function(f"heard >= {turn}")
    say(page, "fin")
    wait_for(lambda: asked[-1] == "fin", lambda: f"reçu {asked}")
    assert len(server.connections) == 1
    assert (asked.count("") > 2) == answers


def test_a_reload_keeps_the_conversation(fake: Fake, profile: Profile):
    """Recharger garde la conversation et ses doutes, que le serveur lève en rendant la ligne."""
    server = fake()
    page = join(profile, server)
    server.say("[23/11 10:00] Zoé a dit : <b>bonjour</b>")
    expect_said(page, "Zoé a dit : <b>bonjour</b>")
    say(page, "perdu ?")
    page.reload()
    expect_said(page, "Zoé a dit : <b>bonjour</b>", DOUBTFUL, "Welcome back Léa !")
    server.say("[10:01] Léa a dit : perdu ?\n[10:01] Léa a dit : oubliée")
    expect_said(page, "Vous avez dit : perdu ?", "Welcome back Léa !", "Vous avez dit : oubliée")


def test_without_storage(fake: Fake, profile: Profile):
    """Là où sessionStorage est interdit, on entre, on parle et l'on revient ; la page le dit."""
    server = fake()
    page = profile.open(PAGE, port=server.port)
    page.add_init_script(
        "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException(); } })"
    )
    page.reload()
    page.get_by_label("Pseudo").fill("Léa")
    page.get_by_label("Pseudo").press("Enter")
    expect(page.get_by_role("log")).to_contain_text("ne laisse rien garder")
    say(page, "ferme 1012")
    server.wait_frames("Hello|Léa", "ferme 1012", "ID|secret-42")
    page.reload()
    expect_state(page, "Hors ligne")


# --- Les textes, et la page pour tout le monde ---------------------------------------------------


def test_texts_are_only_text(fake: Fake, profile: Profile):
    """Une trame a plusieurs lignes, où le HTML reste du texte ; ce qui part est sans contrôles."""
    html = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
    server = fake()
    page = join(profile, server)
    server.say(
        f"[10:01] Annonce : {html} a rejoint la chatroom\n[24/11 23:59] {html} a dit : a dit : x\n"
        "[10:02] Léa a dit : d'une autre Léa, dans l'historique\nErreur : message trop long\n"
        "[10:02] Zoé a dit : \x1b[31mrouge \u202ecod\u2066 👨‍👩‍👧 fin\u202f!"
    )
    lines = page.get_by_role("log").locator("p")
    expect(lines).to_have_count(6)
    read = "(all) => all.map((line) => [line.className, line.textContent])"
    assert lines.evaluate_all(read)[1:] == [
        ["news", f"10:01 Annonce : {html} a rejoint la chatroom"],
        ["said", f"24/11 23:59 {html} a dit : a dit : x"],
        ["said", "10:02 Léa a dit : d'une autre Léa, dans l'historique"],
        ["error", "Erreur : message trop long"],
        ["said", "10:02 Zoé a dit : [31mrouge cod 👨‍👩‍👧 fin\u202f!"],
    ]
    assert page.evaluate("window.hacked") is None and lines.locator("img, script").count() == 0
    for text in ("", "\u200b \u202e", "  e\u0301te\u0301 \u202e\u001b[31m\u3000fin\u202f! "):
        say(page, text)
    server.wait_frames("Hello|Léa", "été [31m fin\u202f!")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_looks_like_oneself(browser: Browser, fake: Fake, scheme: str):
    """Un pseudo garde sa couleur, qui n'est jamais, même de loin, celle de « Vous »."""
    profile = Profile(browser, color_scheme=scheme)
    server = fake()
    page = join(profile, server)
    say(page, "à moi")
    crowd = ["ana", "ana", *(f"pseudo{n}" for n in range(80))]
    server.say("\n".join(f"[10:00] {pseudo} a dit : ok" for pseudo in crowd))
    expect(page.get_by_role("log").locator("b")).to_have_count(1 + len(crowd))
    mine, first, second, *others = page.evaluate(NAME_COLOURS)
    assert first == second
    for other in (first, *others):
        assert sum((a - b) ** 2 for a, b in zip(mine, other, strict=True)) > 60**2
    profile.check()


NAME_COLOURS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  return [...document.querySelectorAll("#log b")].map((name) => {
    canvas.fillStyle = getComputedStyle(name).color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  });
}"""


def test_the_link_gives_the_address(profile: Profile):
    """L'adresse du serveur vient du lien qui ouvre la page, sinon c'est celle du TP."""
    for query, address in (
        ({}, "ws://127.0.0.1:8888"),
        ({"address": "10.1.1.5", "port": 8889}, "ws://10.1.1.5:8889"),
        ({"address": "::1", "port": 8889}, "ws://[::1]:8889"),
        ({"address": "[::1]"}, "ws://[::1]:8888"),
    ):
        expect(profile.open(PAGE, **query).get_by_label("Adresse")).to_have_value(address)


def test_a_phone_and_a_long_conversation(browser: Browser, fake: Fake):
    """Rien ne dépasse d'un téléphone, la vue suit le dernier message, et la page est bornée."""
    profile = Profile(browser, viewport={"width": 320, "height": 640})
    server = fake()
    page = join(profile, server, "W" * 32)
    lines = page.get_by_role("log").locator("p")
    server.say("\n".join(f"[24/11 10:00] {'M' * 32} a dit : numéro {n}." for n in range(400)))
    expect(lines).to_have_count(300)
    expect(lines.last).to_be_in_viewport()
    page.locator("#scroll").evaluate("(area) => area.scrollBy(0, -1000)")
    server.say(f"Erreur : {'m' * 600}")
    expect(lines.last).to_contain_text("mmm")
    expect(lines.last).not_to_be_in_viewport()
    say(page, "m" * 600)
    expect(lines.last).to_be_in_viewport()
    for name in ("Envoyer", "Quitter"):
        expect(page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    assert page.evaluate(
        "[document.documentElement, ...document.querySelectorAll('body, #scroll')]"
        ".every((element) => element.scrollWidth <= element.clientWidth)"
    )
    profile.check()


def test_the_keyboard_is_enough(fake: Fake, profile: Profile):
    """Tout se fait au clavier, et chaque endroit a un nom et se voit."""
    page = profile.open(PAGE, port=fake().port)

    def press(key: str, then: str) -> None:
        page.keyboard.press(key)
        expect(page.locator(":focus")).to_have_accessible_name(then)
        outline = page.locator(":focus").evaluate("(e) => getComputedStyle(e).outlineStyle")
        assert outline == "solid"

    press("Shift+Tab", then="Adresse du serveur")
    press("Tab", then="Pseudo")
    page.keyboard.type("Léa")
    press("Tab", then="Rejoindre")
    press("Enter", then="Ton message")
    expect(page.get_by_role("log")).to_have_attribute("aria-live", "polite")
    page.keyboard.type("bonjour")
    press("Tab", then="Envoyer")
    press("Space", then="Envoyer")
    expect_said(page, "Vous avez dit : bonjour")
    for name in ("Ton message", "Conversation", "Quitter"):
        press("Shift+Tab", then=name)
    press("Enter", then="Pseudo")
