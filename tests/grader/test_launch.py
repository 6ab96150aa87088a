"""Comment le correcteur trouve la façon de lancer un script : arguments, dossier, README."""

from pathlib import Path

import pytest

from grader.finding.code import Code
from grader.finding.handin import HandIn
from grader.running.arguments import (
    NICKNAME,
    SPOKEN,
    counted_in_code,
    in_usage,
    own_options,
    value_of,
)
from grader.running.questions import beside, first_choice
from grader.running.recipes import Recipe, as_package, written

HOST, PORT = "127.0.0.1", "8888"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", PORT),
        ("server_port", PORT),
        ("hostname", HOST),
        ("ip:port", f"{HOST}:{PORT}"),
        ("ip_redis[:port]", f"{HOST}:6379"),
        ("redis_host", HOST),
        ("mongo_port", "27017"),
        ("url", f"ws://{HOST}:{PORT}"),
        ("pseudo", NICKNAME),
        ("message", SPOKEN),
        ("truc", None),
    ],
)
def test_value_of(name: str, value: str | None):
    """Le nom d'un argument dit ce qu'il faut lui donner."""
    assert value_of(name) == value


@pytest.mark.parametrize(
    ("output", "arguments"),
    [
        ("usage: serveur.py <ip> <port>", [HOST, PORT]),
        ("Usage : python client.py <ip> <port> [pseudo]", [HOST, PORT]),
        ("usage : node I/client.js <message>", [SPOKEN]),
        ("usage: s.py <ip> <port> <ip_mongo[:port]>", [HOST, PORT, f"{HOST}:27017"]),
        ("usage: x.py --port <port>", ["--port", PORT]),
        ("IndexError: list index out of range", []),
    ],
)
def test_usage(output: str, arguments: list[str]):
    """Une ligne d'usage donne les arguments obligatoires, dans l'ordre."""
    assert in_usage(output) == arguments


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("if len(sys.argv) != 5: exit(1)", 4),
        ("if len(sys.argv) < 3: exit(1)", 2),
        ("if len(sys.argv) <= 2: exit(1)", 2),
        ("if len(argv) > 1: port = argv[1]", 1),
        ("print(sys.argv)", 0),
    ],
)
def test_count(code: str, count: int, tmp_path: Path):
    """Le nombre d'arguments que le code exige."""
    (tmp_path / "script.py").write_text(code)
    assert len(counted_in_code(Code(tmp_path / "script.py"))) == count


@pytest.mark.parametrize(
    ("question", "choice"),
    [
        ("Couleur (rouge/vert/bleu) ?", "rouge"),
        ("Couleur (1 rouge, 2 vert, 3 bleu) :", "1"),
        ("Couleur (1=rouge, 2=vert) :", "1"),
        ("Salon [1-4] :", "1"),
        ("Port [8766] :", None),
        ("Message (3 à 12 lettres) :", None),
    ],
)
def test_choices(question: str, choice: str | None):
    """Une question qui montre ses choix reçoit le premier."""
    assert first_choice(question) == choice


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Salon [general] :", "general"),
        ("Canal : ", "bleu"),
        ("Votre couleur préférée ?", "bleu"),
        ("Pseudo [anonyme] :", None),
        ("Message pour le salon :", None),
        ("> ", None),
    ],
)
def test_beside(question: str, answer: str | None):
    """Une question qui n'est ni le pseudo ni un message reçoit la même réponse de tous."""
    assert beside(question) == answer


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("p.add_argument('-n', '--nick')", ["--nick", NICKNAME]),
        ("p.add_argument('--hostname')", []),
        ("p.add_argument('--name', action='store_true')", []),
        ("p.add_argument('pseudo')", []),
    ],
)
def test_own_options(code: str, options: list[str], tmp_path: Path):
    """L'option par laquelle un client prend son pseudo lui est donnée."""
    (tmp_path / "script.py").write_text(code)
    assert own_options(Code(tmp_path / "script.py")) == options


@pytest.fixture
def hand_in(tmp_path: Path) -> HandIn:
    """Un rendu où tout se lance d'ailleurs que du dossier du script."""
    folder = tmp_path / "rendu" / "tp7" / "partie1"
    folder.mkdir(parents=True)
    (folder / "ws_i_1_server.py").write_text("from ..commun import HOST\n")
    (folder / "ws_i_1_client.py").write_text('"""python ws_i_1_client.py <ip> --port=<port>"""\n')
    (tmp_path / "rendu" / "README.md").write_text(
        "Lancer :\n\n    python -m tp7.partie1.ws_i_1_server   # le serveur\n"
        "puis `python3 tp7/partie1/ws_i_1_client.py 10.1.1.5 8888` dans un autre terminal.\n"
    )
    return HandIn(tmp_path / "rendu")


def test_readme(hand_in: HandIn):
    """Les commandes du README et de l'en-tête, avec le dossier d'où elles marchent."""
    server, client = hand_in.scripts["i1.server"], hand_in.scripts["i1.client"]
    assert written(hand_in, server) == [Recipe(above=2, module=True)]
    assert written(hand_in, client) == [
        Recipe(("10.1.1.5", "8888"), above=2),
        Recipe((HOST, f"--port={PORT}")),
    ]


def test_package(hand_in: HandIn):
    """Des imports que seul `python -m` résout le font essayer ; un paquet étranger, non."""
    server = hand_in.scripts["i1.server"]
    tries = [Recipe(above=1, module=True), Recipe(above=2, module=True)]
    failure = "ImportError: attempted relative import with no known parent package"
    assert as_package(hand_in, server, failure) == tries
    assert as_package(hand_in, server, "No module named 'tp7'") == tries
    assert as_package(hand_in, server, "No module named 'colorama'") == []


def test_page_of_a_script(tmp_path: Path):
    """La page d'un script est celle qui le charge, quel que soit son nom."""
    (tmp_path / "ws_i_2_client.js").write_text("new WebSocket('ws://x')")
    (tmp_path / "apropos.html").write_text("<p>rien</p>")
    (tmp_path / "index.html").write_text('<script defer src="ws_i_2_client.js"></script>')
    assert HandIn(tmp_path).scripts["i2.client.html"] == Path("index.html")


def test_client_without_a_number(tmp_path: Path):
    """Sans fichier nommé pour I.2, la page qui ouvre un WebSocket en tient lieu ; pas le chat."""
    (tmp_path / "chat.html").write_text("<input id=pseudo><script>new WebSocket(a)</script>")
    assert not HandIn(tmp_path).scripts
    (tmp_path / "index.html").write_text("<script>new WebSocket(a)</script>")
    assert HandIn(tmp_path).scripts == {"i2.client.html": Path("index.html")}
