"""Les pages du cours disent vrai : liens, fichiers nommés, deux langues, erreurs, captures."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import ROOT, Process, missing
from support.storage import free_port

from .pages import ENGLISH, FRENCH, Block, anchors, blocks, links, prose

INTERPRETERS = {"bash": ("bash", "-c"), "python": (sys.executable, "-c"), "js": ("node", "-e")}
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # `python` est celui-ci
FAQ, WIRESHARK = (ROOT / "docs/faq.md", ROOT / "docs/faq-code.md"), ROOT / "docs/wireshark.md"
EVERY_PAGE = pytest.mark.parametrize("page", FRENCH + ENGLISH, ids=str)


@EVERY_PAGE
def test_links(page: Path):
    """Chaque lien vise un fichier, une image ou un titre qui existe."""
    for link in links(page):
        path, _, anchor = link.partition("#")
        if not link.startswith("https://"):
            target = page.parent / path if path else page
            assert target.exists(), f"{link} n'existe pas"
            assert not anchor or anchor in anchors(target), f"{link} : pas de tel titre"


@EVERY_PAGE
def test_files_named(page: Path):
    """Chaque fichier nommé dans le texte ou dans une commande existe."""
    text = prose(page) + "".join(block.text for block in blocks(page, "bash", "console"))
    files = r"(?<![\w/.-])((?:docs|tests|bench|chatroom|img)/[\w./-]+\.\w+|ws_\w+\.(?:py|js|html))"
    assert not [name for name in re.findall(files, text) if not (ROOT / name).exists()]


def test_every_page_is_reached():
    """De chaque README on arrive à toutes les pages de sa langue, et chacune y ramène."""
    for home, *pages in FRENCH, ENGLISH:
        reached, waiting = set(), [home]
        while waiting:
            page = waiting.pop()
            reached.add(page)
            targets = [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
            assert page == home or home in targets, f"{page.name} ne ramène pas à {home.name}"
            waiting += set(targets) & set(pages) - reached
        assert reached == {home, *pages}


@pytest.mark.parametrize("english", ENGLISH, ids=str)
def test_both_languages(english: Path):
    """Une page traduite a les blocs de code, les titres et les questions de l'autre."""
    pair = english.parents[english.parent != ROOT] / english.name.replace(".en", ""), english
    code = [[one for one in blocks(page) if one.language != "mermaid"] for page in pair]
    assert code[0] == code[1]
    marks = r"^(?:#+ |\*\*\d|<details>|> |!\[|- |\|)"
    shapes = [re.findall(marks, prose(page), re.MULTILINE) for page in pair]
    assert shapes[0] == shapes[1]


@EVERY_PAGE
def test_page_is_short(page: Path):
    """Une page d'étudiant tient en 200 lignes."""
    assert len(page.read_text().splitlines()) <= 200 or page.stem == "enseignant"


@pytest.mark.parametrize("block", blocks(WIRESHARK, "console"), ids=lambda block: block.text[10:60])
def test_captures(block: Block):
    """Chaque commande tshark montre exactement ce que dit la page."""
    if reason := missing("tshark"):
        pytest.skip(reason)
    command, _, output = block.text.removeprefix("$ ").partition("\n")
    result = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    # Les blancs de fin de ligne ne se voient pas dans une page.
    shown, said = ([*map(str.split, text.splitlines())] for text in (result.stdout, output))
    assert shown == said, result.stderr


def test_calculations():
    """Chaque calcul de la page donne ce qu'elle dit."""
    text = "\n".join(block.text for block in blocks(WIRESHARK, "pycon"))
    session = doctest.DocTestParser().get_doctest(text, {}, "wireshark", None, None)
    result = doctest.DocTestRunner(verbose=False).run(session)
    assert result.attempted > 5 and not result.failed


def errors() -> list[tuple[str, Block | None]]:
    """Chaque titre de la FAQ qui est une erreur, et le programme qui la fait venir s'il y en a."""
    text = "\n".join(page.read_text() for page in FAQ)
    sections = re.split(r"^#{2,3} (?=`)", text, flags=re.MULTILINE)[1:]
    shape = r"([^\n]+)\n\n(?:```(bash|python|js)\n(.*?)^```$)?"
    found = [re.match(shape, section, re.DOTALL | re.MULTILINE).groups() for section in sections]
    return [(title, Block(lang, "", text) if lang else None) for title, lang, text in found]


REPRODUCED = [(title, block) for title, block in errors() if block]


@pytest.mark.parametrize("title, block", REPRODUCED, ids=[title for title, _ in REPRODUCED])
def test_errors_come(title: str, block: Block, request: pytest.FixtureRequest):
    """Le programme de chaque erreur la fait venir, avec le texte du titre."""
    if block.language == "js" and (missing("node") or not (ROOT / "node_modules/ws").exists()):
        pytest.skip("Node ou son paquet ws n'est pas installé : `npm install` active ce test")
    port = str(free_port())
    text = block.text.replace("8888", port)
    if "127.0.0.1:6379" in text:
        text = text.replace("redis://127.0.0.1:6379/0", request.getfixturevalue("redis_url"))
    command = *INTERPRETERS[block.language], text
    with Process(*command, WS_PORT=port, PATH=PATH, PYTHONWARNINGS="default") as process:
        pieces = map(re.escape, re.findall(r"`([^`]+)`", title))
        process.wait_line(".*".join(pieces), timeout=20)


def test_other_errors_come_elsewhere():
    """Une erreur sans programme est de celles que les tests du réseau font venir."""
    network = (ROOT / "tests/test_network.py").read_text()
    for title, block in errors():
        assert block or all(text in network for text in re.findall(r"`([^`]+)`", title)), title
