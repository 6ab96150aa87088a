"""Un script dont le nom se trompe d'étape trouve sa place par ce qu'il contient."""

from pathlib import Path

import pytest

from grader.finding.handin import HandIn

SERVER, CLIENT = (
    "import websockets\nwebsockets.serve(f, '')",
    "import websockets\nconnect('ws://a')",
)


@pytest.mark.parametrize(
    ("name", "text", "role"),
    [
        ("ws_i_4_client.py", CLIENT + "\npseudo = input()", "i3.client"),
        ("ws_i_4_client.py", CLIENT, "i1.client"),
        ("ws_i_4_server.py", SERVER, "i3.server"),
        ("ws_i_0_server.py", SERVER + "\n'Hello client ! Received'", "i1.server"),
        ("ws_ii_1_server.py", SERVER + "\nimport redis", "ii2.server"),
        ("ws_ii_3_server.py", SERVER + "\nimport redis", "ii2.server"),
        ("ws_ii_3_server.py", SERVER + "\nimport redis, motor", "ii3.server"),
        ("ws_ii_4_server.py", SERVER + "\nfrom pymongo import *", "ii3.server"),
        ("outils_serveur.py", "import socket", None),
    ],
)
def test_place(name: str, text: str, role: str | None, tmp_path: Path):
    """Le rôle vient du contenu quand le nom ne suffit pas."""
    (tmp_path / name).write_text(text)
    assert HandIn(tmp_path).scripts == ({role: Path(name)} if role else {})


def test_a_good_name_comes_first(tmp_path: Path):
    """Une place prise par un nom juste le reste ; un second candidat attend son tour."""
    for name in ("ws_i_3_server.py", "ws_i_3_server_v2.py", "ws_i_4_server.py"):
        (tmp_path / name).write_text(SERVER)
    hand_in = HandIn(tmp_path)
    assert hand_in.scripts == {"i3.server": Path("ws_i_3_server.py")}
    assert hand_in.others == {"i3.server": [Path("ws_i_3_server_v2.py")]}


def test_the_client_of_a_later_step(tmp_path: Path):
    """Sans client de I.3, celui d'une étape d'après en tient lieu."""
    (tmp_path / "ws_ii_2_client.py").write_text(CLIENT)
    assert HandIn(tmp_path).scripts["i3.client"] == Path("ws_ii_2_client.py")
