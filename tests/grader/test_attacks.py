"""Chaque rendu hostile, sous chaque garde et sous chaque compte, n'obtient que ce qui est avoué.

`attacks/attacks.toml` dit l'issue des quatre. Le tour ordinaire en joue deux, sous la garde que
cette machine choisit ; `make meta` les joue toutes, des quatre façons.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.processes import PATIENCE, ROOT, clean_environment

FOLDER = Path(__file__).parent / "attacks"
ATTACKS = tomllib.loads((FOLDER / "attacks.toml").read_text("utf-8"))
WAYS = ("bubblewrap", "landlock")
ACCOUNTS = ("root", "ordinary")
SHORT = ("depot", "journal")
Attack = Callable[[str, str, str], dict[str, Any]]


AS_SOMEBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
# Un Python rangé dans le dossier fermé de root : pour ce seul processus, ce dossier est un autre,
# où il n'y a que ce Python.
SHOWING = """mount --bind "$2" "$3" && mount -t tmpfs -o mode=755 tp7 "$1" && mkdir -p "$2" &&
mount --bind "$3" "$2" && shift 3 && exec "$@\""""


# Le plus simple de ce que l'on demande à bubblewrap ; là où cela échoue, il ne peut pas servir.
PLAIN = ("bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL",
         "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true")  # fmt: skip


@pytest.fixture(scope="session")
def ordinary() -> Iterator[list[str]]:
    """De quoi lancer Python sous un compte ordinaire ; saute le test si cela ne se peut pas."""
    if os.getuid():
        yield [sys.executable]
        return
    base = Path(sys.base_prefix).resolve()
    hidden = [str(folder) for folder in reversed(base.parents) if not folder.stat().st_mode & 1]
    with tempfile.TemporaryDirectory(prefix="tp7-compte-") as aside:
        command = [*AS_SOMEBODY, sys.executable]
        if hidden:
            shown = [hidden[0], str(base), aside]
            command = ["unshare", "--mount", "sh", "-c", SHOWING, "sh", *shown, *command]
        tried = [*command, "-c", "import websockets, grader"]
        done = subprocess.run(tried, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"un compte ordinaire ne lit pas ce dépôt : {done.stderr[-200:]}")
        yield command


@pytest.fixture
def attack(request: pytest.FixtureRequest) -> Attack:
    """`attack(nom, garde, compte)` : ce qu'elle a obtenu ; saute le test si cela ne se peut pas."""

    def run(name: str, way: str, account: str) -> dict[str, Any]:
        if account == "root" and os.getuid():
            pytest.skip("il faut être root")
        python = [sys.executable]
        if account == "ordinary":
            python = request.getfixturevalue("ordinary")
        done = subprocess.run(
            [*python, str(FOLDER / "run.py"), name],
            cwd=ROOT,
            env=clean_environment(TP7_ISOLATION=way, PYTHONDONTWRITEBYTECODE="1"),
            capture_output=True,
            text=True,
            timeout=120 * PATIENCE,
        )
        if "isolation.Unsafe" in done.stderr:
            why = done.stderr.strip().splitlines()[-1]
            plain = [*python[:-1], *PLAIN]
            possible = shutil.which("bwrap") and not subprocess.run(plain).returncode
            # Il marche sur cette machine, mais pas comme nous le lançons : c'est notre faute.
            (pytest.fail if possible else pytest.skip)(why)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def check(name: str, way: str, account: str, attack: Attack) -> None:
    found, expected = attack(name, way, account), ATTACKS[name]
    assert found["way"] == way, found
    assert found["taken"] == sorted(expected[way][account]), found
    assert set(found["remarks"]) >= set(expected.get("remarks", ())), found


@pytest.mark.meta
@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ATTACKS)
def test_attack(name: str, way: str, account: str, attack: Attack) -> None:
    """Elle n'obtient que ce que la table avoue, et le rapport dit ce qui a été arrêté."""
    check(name, way, account, attack)


@pytest.mark.parametrize("name", SHORT)
def test_attack_here(name: str, attack: Attack) -> None:
    """Les deux qui comptent le plus, sous bubblewrap et sous le compte d'ici."""
    check(name, "bubblewrap", ACCOUNTS[os.getuid() != 0], attack)


def test_nothing_is_taken_under_bubblewrap() -> None:
    """La plus forte des gardes n'avoue rien, et chaque attaque de la table a son dossier."""
    for name, attack in ATTACKS.items():
        assert attack["bubblewrap"] == dict.fromkeys(ACCOUNTS, []), name
        assert (FOLDER / name).is_dir()


@pytest.mark.meta
def test_good_hand_ins_among_hostile_ones(tmp_path: Path) -> None:
    """Deux bons rendus ont 20 entourés de toutes les attaques, et rien ne reste d'elles."""
    classe, report, scratch = (tmp_path / name for name in ("classe", "notes", "brouillon"))
    scratch.mkdir()
    for name in ("a_bonne", "z_bon"):
        shutil.copytree(ROOT / "tests" / "rendus" / "ordinaire", classe / name)
    for name in ATTACKS:
        shutil.copytree(FOLDER / name, classe / f"m_{name}")
    options = [f"--rendus={classe}", f"--rapport={report}", "-n", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=ROOT,
        env=clean_environment(TMPDIR=str(scratch)),
        capture_output=True,
        text=True,
        timeout=600 * PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((report / "resultats.json").read_text("utf-8"))
    scores = {student["name"]: student["score"] for student in results["students"]}
    assert scores["a_bonne"] == scores["z_bon"] == 20
    assert len(scores) == len(ATTACKS) + 2 == len(list(report.glob("*.md")))
    assert not [path for path in scratch.iterdir() if not path.name.startswith("pytest-of-")]
    commands = [path / "cmdline" for path in Path("/proc").glob("[0-9]*")]
    assert not [text for path in commands if str(scratch) in (text := read(path))]


def read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
