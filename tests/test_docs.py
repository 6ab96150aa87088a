"""Les pages de docs/ disent vrai : liens, fichiers, captures, erreurs de la FAQ, configurations."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import ROOT, Process, missing
from support.storage import free_port
from test_readme import Block, blocks, check_links, links, prose

PAGES = sorted((ROOT / "docs").glob("*.md"))
INTERPRETERS = {"bash": ("bash", "-c"), "python": (sys.executable, "-c"), "js": ("node", "-e")}
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # `python` est celui-ci
FAQ, WIRESHARK = ROOT / "docs/faq.md", ROOT / "docs/wireshark.md"


def relative(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page: Path):
    """Chaque lien vise un fichier, une image ou un titre qui existe."""
    check_links(page)


@pytest.mark.parametrize("readme", [ROOT / "README.md", ROOT / "README.en.md"], ids=relative)
def test_pages_are_reached(readme: Path):
    """Le README de chaque langue mène à chaque page, dans sa langue si elle y existe."""
    english = ".en" in readme.suffixes
    french_pages = [
        page for page in [*PAGES, ROOT / "bench/README.md"] if ".en" not in page.suffixes
    ]
    for page in french_pages:
        translation = page.with_suffix(".en.md")
        wanted = translation if english and translation.exists() else page
        targets = [(readme.parent / link.partition("#")[0]).resolve() for link in links(readme)]
        assert wanted in targets, f"{readme.name} ne mène pas à {relative(wanted)}"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_pages_lead_back(page: Path):
    """Chaque page ramène au README de sa langue."""
    home = "../README.en.md" if ".en" in page.suffixes else "../README.md"
    assert home in [link.partition("#")[0] for link in links(page)]


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_files_named_exist(page: Path):
    """Chaque nom de fichier entre accents graves existe."""
    names = re.findall(r"`((?:docs/|tests/|bench/|ws_)[\w./-]+\.\w+)`", prose(page))
    assert not [name for name in names if not (ROOT / name).exists()]


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_commands_name_what_exists(page: Path):
    """Chaque script, réglage ou profil d'une ligne à copier existe."""
    lines = [line for block in blocks(page, "bash", "console") for line in block.text.splitlines()]
    for line in lines:
        for name in re.findall(r"(?<![\w/.])(?:docs/|tests/|ws_|databases)[\w./]+", line):
            assert (ROOT / name).exists(), line
        for profile in re.findall(r"--profile (\w+)", line):
            assert f"profiles: [{profile}]" in (ROOT / "compose.yaml").read_text(), line


def test_pictures_are_remade():
    """Chaque image est refaite par docs/pictures.py, sauf les graphiques du banc."""
    remade = re.findall(r"[\w-]+\.(?:png|svg)", (ROOT / "docs/pictures.py").read_text())
    kept = {path.name for path in (ROOT / "img").iterdir() if not path.match("bench-*")}
    assert kept == set(remade)


def test_haproxy_without_docker(tmp_path: Path):
    """Le réglage d'HAProxy, changé comme le dit la page, nomme les deux serveurs d'ici."""
    if reason := missing("haproxy"):
        pytest.skip(reason)
    text = "\n".join(block.text for block in blocks(ROOT / "docs/architecture.md", "bash"))
    [change] = re.findall(r"^sed .*", text, re.MULTILINE)
    target = tmp_path / "haproxy.cfg"
    change = change.replace("/tmp/haproxy.cfg", str(target))
    subprocess.run(["bash", "-c", change], cwd=ROOT, check=True)
    assert re.findall(r"127\.0\.0\.1:(\d+)", target.read_text()) == ["8881", "8882"]
    checked = subprocess.run(["haproxy", "-c", "-f", target], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


# --- Les captures --------------------------------------------------------------------------------


def shown(text: str) -> list[list[str]]:
    """Les mots de chaque ligne : les blancs de fin ne se voient pas dans une page."""
    return [line.split() for line in text.splitlines()]


@pytest.mark.parametrize("block", blocks(WIRESHARK, "console"), ids=lambda block: block.text[10:60])
def test_captures_show_what_is_said(block: Block):
    """Chaque commande tshark montre exactement ce que dit la page."""
    if reason := missing("tshark"):
        pytest.skip(reason)
    command, _, output = block.text.removeprefix("$ ").partition("\n")
    result = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert shown(result.stdout) == shown(output), result.stderr


def test_calculations():
    """Chaque calcul de la page donne ce qu'elle dit."""
    text = "\n".join(block.text for block in blocks(WIRESHARK, "pycon"))
    session = doctest.DocTestParser().get_doctest(text, {}, "wireshark", None, None)
    result = doctest.DocTestRunner(verbose=False).run(session)
    assert result.attempted > 5 and not result.failed


# --- Les erreurs ---------------------------------------------------------------------------------


def errors() -> list[tuple[str, Block | None]]:
    """Chaque titre de la FAQ qui est une erreur, et le programme qui la fait venir s'il y en a."""
    sections = re.split(r"^### ", FAQ.read_text(), flags=re.MULTILINE)[1:]
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
    if ":6379/0" in text:
        text = text.replace("redis://127.0.0.1:6379/0", request.getfixturevalue("redis_url"))
    interpreter = INTERPRETERS[block.language]
    process = Process(*interpreter, text, WS_PORT=port, PATH=PATH, PYTHONWARNINGS="default")
    try:
        pieces = map(re.escape, re.findall(r"`([^`]+)`", title))
        process.wait_line(".*".join(pieces), timeout=20)
    finally:
        process.kill()


def test_other_errors_come_elsewhere():
    """Une erreur sans programme est de celles que les tests du réseau font venir."""
    network = (ROOT / "tests/test_network.py").read_text()
    for title, block in errors():
        assert block or all(text in network for text in re.findall(r"`([^`]+)`", title)), title
