"""Le README : ses commandes marchent, ses écrans sont vrais, ses chiffres sont ceux du code."""

import ast
import doctest
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from support.processes import ROOT, Process, clean_environment, missing, wait_for
from support.storage import free_port
from support.terminal import Terminal
from websockets.asyncio.client import connect

FRENCH, ENGLISH = ROOT / "README.md", ROOT / "README.en.md"
PAGES = [FRENCH, ENGLISH, ROOT / "docs/diff.md", ROOT / "docs/diff.en.md"]
STAIRS = ["ws_i_3_server.py", "ws_ii_2_server.py", "ws_ii_3_server.py"]
needs_make = pytest.mark.skipif(
    not shutil.which("make"), reason="make n'est pas installé : `sudo apt install make` (ou dnf)"
)
SCRIPTS = sorted(path.name for path in ROOT.glob("*.py"))


# --- Lire une page -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """Un bloc de code : ```langage nom."""

    language: str
    name: str
    text: str


BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, *languages: str) -> list[Block]:
    """Les blocs d'une page, tous ou ceux des langages donnés."""
    found = [Block(*groups) for groups in BLOCK.findall(page.read_text())]
    return [block for block in found if not languages or block.language in languages]


def prose(page: Path) -> str:
    """La page sans ses blocs de code."""
    return BLOCK.sub("", page.read_text())


def headings(page: Path) -> list[tuple[int, str]]:
    """Le niveau et le texte de chaque titre."""
    found = re.findall(r"^(#+) (.+)$", prose(page), re.MULTILINE)
    return [(len(marks), title) for marks, title in found]


def tables(page: Path) -> list[list[list[str]]]:
    """Les tableaux, ligne par ligne et case par case, sans la ligne de tirets."""
    found = re.findall(r"(?:^\|.*\|\n)+", prose(page), re.MULTILINE)
    cells = [
        [re.split(r"(?<!\\)\|", line.strip("|")) for line in one.splitlines()] for one in found
    ]
    return [[[cell.strip() for cell in row] for row in rows[:1] + rows[2:]] for rows in cells]


def table(page: Path, number_of_columns: int, first_cell: str) -> list[list[str]]:
    """Les lignes du tableau qui a cette première case d'en-tête."""
    for head, *rows in tables(page):
        if head[0] == first_cell and len(head) == number_of_columns:
            return rows
    raise AssertionError(f"pas de tableau « {first_cell} » dans {page.name}")


def command_lines(page: Path = FRENCH) -> list[str]:
    """Chaque ligne à copier des blocs bash."""
    return [line for block in blocks(page, "bash") for line in block.text.splitlines() if line]


def screen(name: str) -> tuple[str, str]:
    """La commande et ce que montre l'écran de ce nom."""
    [block] = [block for block in blocks(FRENCH, "console") if block.name == name]
    command, _, shown = block.text.partition("\n")
    return command.removeprefix("$ "), shown.strip()


# --- Les deux langues, les liens, les noms -------------------------------------------------------


BOTH = pytest.mark.parametrize("french, english", [PAGES[:2], PAGES[2:]], ids=["README", "diff"])


@BOTH
def test_both_languages_tell_the_same(french: Path, english: Path):
    """Les deux langues ont les mêmes titres, blocs de code, tableaux et liens."""
    levels = [[level for level, _ in headings(page)] for page in (french, english)]
    assert levels[0] == levels[1]
    code = [
        [block for block in blocks(page) if block.language != "mermaid"]
        for page in (french, english)
    ]
    assert code[0] == code[1]
    assert len(blocks(french, "mermaid")) == len(blocks(english, "mermaid"))
    shapes = [[[len(row) for row in one] for one in tables(page)] for page in (french, english)]
    assert shapes[0] == shapes[1]
    targets = [
        [re.sub(r"\.en\.md|#.*", lambda m: "" if m[0][0] == "#" else ".md", link) for link in found]
        for found in (links(french), links(english))
    ]
    assert targets[0][1:] == targets[1][1:]  # le premier lien mène à l'autre langue


@BOTH
def test_both_languages_have_the_same_skeleton(french: Path, english: Path):
    """Ligne à ligne, une langue a un titre, une liste ou une réponse pliée là où l'autre en a."""
    lines, others = skeleton(french), skeleton(english)
    for (said, here), (told, there) in zip(lines, others, strict=False):
        assert here == there, f"« {said} » en face de « {told} »"
    assert len(lines) == len(others)


def skeleton(page: Path) -> list[tuple[str, str]]:
    """Chaque ligne écrite d'une page, et ce qui la distingue d'un simple paragraphe."""
    marks = r"#+ |\||- |\d+\. |> |!\[|```\w*|<details>|</details>|<summary>|\*\*"
    lines = [line for line in BLOCK.sub("```\n", page.read_text()).splitlines() if line.strip()]
    return [(line, m[0] if (m := re.match(marks, line)) else "") for line in lines]


def test_every_step_asks():
    """Chaque étape pose deux ou trois questions ; chaque question a sa réponse, pliée et courte."""
    for page in PAGES[:2]:
        steps = re.split(r"^#{2,3} ", page.read_text(), flags=re.MULTILINE)
        asking = [step for step in steps if "<details>" in step]
        assert len(asking) == 6, "I.1, I.2, I.3, II.1, II.2 et II.3"
        for step in asking:
            title = step.partition("\n")[0]
            folded = re.findall(
                r"\*\*Question\.\*\* [^\n]+\n\n(?:```[^`]+```\n\n)?"
                r"<details><summary>\w+</summary>\n\n(.+?)\n\n</details>$",
                step,
                re.DOTALL | re.MULTILINE,
            )
            assert len(folded) == step.count("<details>") == step.count("</details>"), title
            assert len(folded) == len(re.findall(r"\*\*Question\.\*\*", step)), title
            assert 2 <= len(folded) <= 3, title
            assert all(len(BLOCK.sub("", answer).split()) <= 120 for answer in folded), title


def links(page: Path) -> list[str]:
    """Ce que visent les liens d'une page."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def anchor(title: str) -> str:
    """L'ancre que GitHub donne à un titre."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def check_links(page: Path) -> None:
    """Vérifie que chaque lien d'une page vise un fichier, une image ou un titre qui existe."""
    for link in links(page):
        if not link.startswith("https://"):
            path, _, wanted = link.partition("#")
            target = (page.parent / path) if path else page
            assert target.exists(), f"{link} n'existe pas"
            titles = [anchor(title) for _, title in headings(target)] if wanted else [""]
            assert wanted in titles, f"{link} : pas de tel titre"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    """Chaque lien vise un fichier ou un titre qui existe."""
    check_links(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_named_exist(page: Path):
    """Chaque nom de fichier entre accents graves existe."""
    names = re.findall(r"`([\w./-]+\.(?:py|js|html|md|yaml|txt|json))`", prose(page))
    assert names
    assert not [name for name in names if not (ROOT / name).exists()]


@pytest.mark.parametrize("page", PAGES[:2], ids=lambda page: page.name)
def test_options_named_exist(page: Path):
    """Chaque option entre accents graves est une option d'un script ou des tests."""
    known = "\n".join((ROOT / name).read_text() for name in [*SCRIPTS, "tests/conftest.py"])
    options = set(re.findall(r"`(--?[a-z][a-z-]*)", prose(page))) - {"-h"}
    assert {"-a", "-p", "-r"} <= options
    assert not [option for option in options if f'"{option}"' not in known]


# --- Les chiffres --------------------------------------------------------------------------------


# Ce qui change dans une phrase citée : heure, pseudo, adresse… et « Annonce : », ajouté parfois.
VARIABLE = r"\[.*?\]|Annonce :|<.*?>|…|\(.*|(?:ws|redis)://.*|127\.0\.0\.1|8888"


def constants() -> dict[str, set[int | float]]:
    """Les constantes numériques des scripts, et leurs valeurs."""
    found: dict[str, set[int | float]] = {}
    for name in SCRIPTS:
        for node in ast.parse((ROOT / name).read_text()).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                try:
                    value = eval(compile(ast.Expression(node.value), name, "eval"), {})
                except NameError:  # elle dépend d'une autre : le README ne la cite pas
                    continue
                if isinstance(value, int | float):
                    found.setdefault(node.targets[0].id, set()).add(value)
    return found


def quantity(words: str) -> float:
    """Ce que vaut « 50 000 entrées », « 1 Mio » ou « 0,5 s », en français ou en anglais."""
    digits = re.match(r"[\d .,]*\d", words)[0]
    digits = re.sub(r"[ ,](?=\d{3}\b)", "", digits).replace(",", ".")
    return float(digits) * (2**20 if re.search(r"M[i]?[oB]", words) else 1)


@pytest.mark.parametrize(
    "page, title", [(FRENCH, "Constante"), (ENGLISH, "Constant")], ids=["fr", "en"]
)
def test_limits_are_the_constants(page: Path, title: str):
    """Le tableau des limites dit ce que valent les constantes, le même partout."""
    known = constants()
    for name, value, _ in table(page, 3, title):
        assert known[name.strip("`")] == {quantity(value)}, name


@pytest.mark.parametrize("page", [FRENCH, ENGLISH], ids=lambda page: page.name)
def test_figures_of_the_text(page: Path):
    """Les chiffres dits dans le texte sont ceux des scripts, ou des bibliothèques."""
    source = (ROOT / "ws_ii_3_server.py").read_text()
    text = re.sub(r"(?<=\d)[ ,](?=\d{3}\b)", "", prose(page))
    for name, value in constants().items():
        for spoken in re.findall(rf"`{name} = ([\d.*]+)`", text):
            assert {eval(spoken)} == value
    assert '"MAXLEN", "~", 50000' in source and "50000 " in text
    assert 'setting("SESSION_TTL", "3600")' in source and "`SESSION_TTL` (3600" in text
    # Un ping toutes les 20 s, 20 s pour y répondre : les défauts de la bibliothèque.
    assert "ping_" not in source and "45 s" in text


@pytest.mark.parametrize("page", [FRENCH, ENGLISH], ids=lambda page: page.name)
def test_sentences_are_those_of_the_scripts(page: Path):
    """Ce que la page fait dire aux programmes, ils le disent, aux valeurs près."""
    said = re.findall(
        r"`((?:\[[hj0-9].*?\] |Annonce|Erreur|Impossible|Pas de|Redis ne).*?)`", prose(page)
    )
    assert len(said) > 8
    sources = "".join((ROOT / name).read_text() for name in SCRIPTS)
    for sentence in said:
        for part in re.split(VARIABLE, sentence):
            assert part.strip(" ,)") in sources, sentence


@pytest.mark.parametrize("compression, column", [(None, 1), ("deflate", 2)])
async def test_frames_weigh_what_is_said(stage: "Stage", compression: str | None, column: int):
    """Les trames de l'écho pèsent ce que dit le tableau."""
    server = stage.serve("python ws_i_1_server.py", "8888")
    rows = next(one[1:] for one in tables(FRENCH) if one[0][0] == "Message envoyé")
    url = server.wait_line(r"ws://\S+")[0]
    async with connect(url, proxy=None, compression=compression) as websocket:
        received: list[int] = []
        protocol = websocket.transport.get_protocol()
        read = protocol.data_received

        def weigh(data: bytes) -> None:
            received.append(len(data))
            read(data)

        protocol.data_received = weigh
        for message in ("bonjour", "bonjour", "ha" * 500):
            await websocket.send(message)
            await websocket.recv()
        await websocket.close()
    assert [quantity(row[column]) for row in rows] == received[:3]


@pytest.mark.parametrize("page", [FRENCH, ENGLISH], ids=lambda page: page.name)
def test_close_codes(page: Path):
    """Le tableau des codes de fermeture a tous ceux des serveurs, et pas un de plus."""
    sources = "".join((ROOT / name).read_text() for name in STAIRS)
    sent = set(re.findall(r"(?:Refused\(|return |connection, |\], )(\d{4})\b", sources))
    by_the_library = {"1001", "1007", "1009"}
    assert {row[0] for row in table(page, 3, "Code")} == sent | by_the_library


@pytest.mark.parametrize("page, title", [(FRENCH, "Fichier"), (ENGLISH, "File")], ids=["fr", "en"])
def test_lengths(page: Path, title: str):
    """Chaque script est là, avec sa longueur à une quinzaine de lignes près."""
    said = {name.strip("`"): int(lines) for name, lines, _ in table(page, 3, title)}
    real = {
        path.name: len(path.read_text().splitlines())
        for kind in ("py", "js", "html")
        for path in ROOT.glob(f"*.{kind}")
    }
    assert said.keys() == real.keys()
    assert not {name: real[name] for name in said if abs(said[name] - real[name]) > 15}


@pytest.mark.parametrize(
    "page, title", [(FRENCH, "Promesse"), (ENGLISH, "Promise")], ids=["fr", "en"]
)
def test_price_of_promises(page: Path, title: str):
    """Ce que chaque promesse coûte en lignes de l'étape II.2, à trois lignes près."""
    real = {}
    for node in ast.parse((ROOT / "ws_ii_2_server.py").read_text()).body:
        names = [node] if hasattr(node, "name") else getattr(node, "targets", [])
        for name in names:
            real[getattr(name, "name", getattr(name, "id", ""))] = node.end_lineno - node.lineno + 1
    for promise, keepers, lines in table(page, 3, title):
        assert abs(sum(real[name] for name in re.findall(r"`(\w+)`", keepers)) - int(lines)) <= 3, (
            promise
        )


@pytest.mark.parametrize(
    "page, title", [(FRENCH, "Paquet"), (ENGLISH, "Package")], ids=["fr", "en"]
)
def test_dependencies(page: Path, title: str):
    """Le tableau des dépendances est requirements.txt, plus le paquet de Node."""
    required = re.findall(r"^[\w-]+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    said = [name.strip("`") for row in table(page, 2, title) for name in row[0].split(", ")]
    assert sorted(said) == sorted([*required, "ws"])


@pytest.mark.parametrize("page", PAGES[:2], ids=lambda page: page.name)
def test_excerpts_are_the_code(page: Path):
    """Chaque extrait de code est dans un script, mot pour mot."""
    sources = [(ROOT / name).read_text() for name in SCRIPTS]
    excerpts = blocks(page, "python")
    assert excerpts
    for excerpt in excerpts:
        assert any(excerpt.text in source for source in sources), excerpt.text


@pytest.mark.parametrize("page", PAGES[2:], ids=lambda page: page.name)
def test_quoted_differences_are_real(page: Path):
    """Chaque ligne citée d'un `diff` y est."""
    real = {
        line
        for before, after in zip(STAIRS, STAIRS[1:], strict=False)
        for line in difference(before, after)
    }
    quoted = [line for block in blocks(page, "diff") for line in block.text.splitlines()]
    assert quoted
    assert not [line for line in quoted if line not in real]


def difference(before: str, after: str) -> list[str]:
    command = ["diff", "-U100000", ROOT / before, ROOT / after]
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()


# --- Les commandes -------------------------------------------------------------------------------

# Ce qui touche à la machine entière ou demande Docker ne se lance pas ici : ce doit être, au
# caractère près, ce que donnent le sujet et les documentations de Docker et de firewalld.
SYSTEM_LINES = """
sudo firewall-cmd --add-port=8888/tcp --permanent
sudo firewall-cmd --reload
docker compose up -d
docker compose down
sudo yum install -y yum-utils
sudo yum-config-manager --add-repo https://download.docker.com/linux/centos/docker-ce.repo
sudo yum install docker-ce docker-ce-cli containerd.io docker-compose-plugin
sudo systemctl start docker
sudo docker run --name redis -p 6379:6379 -d redis:8
sudo docker run --name mongo -p 27017:27017 -d mongo:8
sudo firewall-cmd --add-port=6379/tcp --permanent
sudo firewall-cmd --add-port=27017/tcp --permanent
sudo firewall-cmd --reload
""".split("\n")[1:-1]


def kind(line: str) -> str:
    """Range une ligne à copier d'après ce qui la vérifie."""
    for pattern, name in (
        (r"sudo |docker ", "system"),
        (r"pip install ", "pip"),
        (r"npm ", "npm"),
        (r"python3 -m venv |source ", "venv"),
        (r"cp ", "copy"),
        (r"diff ", "diff"),
        (r"make ", "make"),
        (r"([A-Z_]+=\S+ )*python databases\.py", "databases"),
        (r"([A-Z_]+=\S+ )*python ws_\w+_server\.py", "server"),
        (r"(\.venv/bin/)?python ws_\w+_client\.py", "client"),
        (r"node ws_i_2_client\.js", "node"),
        (r"python -m pytest", "pytest"),
    ):
        if re.match(pattern, line):
            return name
    return "inconnue"


def lines_of(*kinds: str) -> list[str]:
    """Les lignes à copier de ces sortes, sans répétition."""
    return [line for line in dict.fromkeys(command_lines()) if kind(line) in kinds]


def test_no_command_is_left_aside():
    """Chaque ligne à copier est d'une sorte qu'un test vérifie."""
    assert not lines_of("inconnue")


def test_system_lines():
    """Les lignes du pare-feu et de Docker sont celles du sujet, dans l'ordre."""
    assert [line for line in command_lines() if kind(line) == "system"] == SYSTEM_LINES


def test_pip_lines():
    """Chaque paquet demandé à pip est un de ceux de requirements.txt, déjà installés ici.

    `--no-index` : rien n'est téléchargé, un essai dure deux secondes ; un nom mal écrit se voit.
    """
    words = [word for line in lines_of("pip") for word in shlex.split(line)[2:]]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", *words]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "Would install" not in result.stdout


@dataclass
class Lab:
    """Une copie neuve du TP, et ce qui y remplace les ports et les adresses du README."""

    folder: Path
    urls: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def real(self, text: str) -> str:
        """Le texte du README, avec les ports d'ici et cette seule machine."""
        text = re.sub(r"0\.0\.0\.0|192\.168\.56\.10", "127.0.0.1", text)
        return re.sub(r"\b(8888|8889|6379|27017)\b", lambda m: str(self.ports[m[0]]), text)

    def told(self, text: str) -> str:
        """Un texte d'ici, avec les ports et le dossier du README."""
        text = text.replace(str(self.folder), "/home/toi/tp7")
        for said, port in self.ports.items():
            text = re.sub(rf"\b{port}\b", said, text)
        return text

    def split(self, line: str) -> tuple[list[str], dict[str, str]]:
        """La commande d'une ligne et ses variables d'environnement."""
        words = shlex.split(self.real(line))
        settings = {"WS_PORT": str(self.ports["8888"])} | self.urls
        while re.match("[A-Z_]+=", words[0]):
            name, _, value = words.pop(0).partition("=")
            settings[name] = value
        if words[0].endswith("python"):
            words[0] = sys.executable
        return words, settings

    def run(self, line: str) -> Process:
        """Lance une ligne du README dans la copie."""
        words, settings = self.split(line)
        return Process(*words, cwd=self.folder, **settings)

    def open_terminal(self, line: str) -> Terminal:
        """Lance une ligne du README dans un vrai terminal."""
        (_, script, *options), settings = self.split(line)
        return Terminal(str(self.folder / script), *options, **settings)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Une copie neuve du TP, sans rien d'installé ni de réglé."""
    folder = tmp_path / "tp7"
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.is_file() and path.name not in (".env", "package-lock.json"):
            shutil.copy(path, folder)
    return Lab(folder, ports={said: free_port() for said in ("8888", "8889", "6379", "27017")})


@pytest.fixture
def stage(lab: Lab, redis_url: str, mongo_url: str) -> Iterator["Stage"]:
    """La même copie, avec Redis et MongoDB."""
    lab.urls = {"REDIS_URL": redis_url, "MONGO_URL": mongo_url}
    lab.ports |= {"6379": urlsplit(redis_url).port, "27017": urlsplit(mongo_url).port}
    with Stage(lab) as opened:
        yield opened


def test_plain_installation(lab: Lab):
    """Sans make : le venv se crée, s'active, et .env.example devient un .env.

    `--without-pip` : pip s'installerait lui-même pendant dix secondes.
    """
    lines = [line.replace("venv .", "venv --without-pip .") for line in lines_of("venv", "copy")]
    script = "\n".join(["set -e", *lines, "command -v python", "ls -A"])
    real_python = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    result = subprocess.run(
        ["bash", "-c", script],
        cwd=lab.folder,
        env=clean_environment(**real_python),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert f"{lab.folder}/.venv/bin/python" in result.stdout
    assert ".env\n" in result.stdout


def test_npm_lines():
    """npm installe ce que demande package.json, sans être lancé : il met cinq secondes, et tous
    les tests de Node montrent déjà que le paquet sert."""
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]
    assert lines_of("npm") == ["npm install", *(f"npm install {name}" for name in wanted)]


def test_diff_lines(lab: Lab):
    """Les `diff` du README montrent quelque chose."""
    assert lines_of("diff")
    for line in lines_of("diff"):
        result = subprocess.run(shlex.split(line), cwd=lab.folder, capture_output=True, text=True)
        assert result.returncode == 1 and result.stdout


@needs_make
@pytest.mark.parametrize("line", lines_of("make"))
def test_make_lines(lab: Lab, line: str):
    """Chaque commande make est connue de make (sans la lancer)."""
    command = [*shlex.split(lab.real(line)), "-n", "-o", ".venv/installed"]
    result = subprocess.run(command, cwd=lab.folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    expected = {"chat": "ws_ii_3_server.py", "test": "-m pytest", "noter": "--rendu="}
    assert expected[line.split()[1]] in result.stdout


@pytest.mark.parametrize("line", lines_of("server", "client", "node"))
def test_lines_to_run(line: str, stage: "Stage"):
    """Chaque serveur à lancer écoute, chaque client entre, et tous finissent bien."""
    if kind(line) == "server":
        assert stage.serve(line, "8888").stop() == 0
        return
    if kind(line) == "node":
        stage.need_node()
    echo = "ws_i_3" not in line
    stage.serve("python ws_i_1_server.py" if echo else "python ws_i_3_server.py", "8888")
    process = stage.enter(stage.lab.run(line))
    process.write("ana")
    process.close_input()
    assert process.wait() == 0, process.output
    assert "Traceback" not in process.output


# --- Les écrans ----------------------------------------------------------------------------------


def settled(text: str) -> str:
    """Un écran sans ce qui change d'une fois à l'autre : heures, identifiants, lignes vides."""
    for pattern, name in (
        (r"\[\d\d:\d\d\]", "[hh:mm]"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<connexion>"),
        (r"session:[\w-]{22}", "session:<id>"),
        (r"\b\d{13}-\d+", "<id du flux>"),
        (r"\b\d{10}(\.0)?\b", "<secondes>"),
        (r"'order': \d+", "'order': <nombre>"),
        (r"datetime\.datetime\(.*?\)", "<date>"),
        (r"[ \n]+", "\n"),
    ):
        text = re.sub(pattern, name, text)
    return text.strip()


class Stage(ExitStack):
    """Les terminaux d'une étape : chacun montre à la fin ce que le README dit."""

    def __init__(self, lab: Lab):
        super().__init__()
        self.lab = lab

    def need_node(self) -> None:
        """Saute le test si Node ou son paquet ws manque."""
        if reason := missing("node"):
            pytest.skip(reason)
        if not (ROOT / "node_modules/ws").exists():
            pytest.skip("le paquet ws n'est pas installé : `npm install` active ce test")
        (self.lab.folder / "node_modules").symlink_to(ROOT / "node_modules")

    def enter(self, process: Process) -> Process:
        self.callback(process.kill)
        return process

    def serve(self, line: str, port: str) -> Process:
        """Lance un serveur, au port que le README appelle `port`."""
        process = self.enter(self.lab.run(line))
        process.wait_line(rf"ws://127\.0\.0\.1:{self.lab.ports[port]}\b", timeout=20)
        return process

    def server(self, name: str, port: str = "8888") -> Process:
        return self.serve(screen(name)[0], port)

    def terminal(self, name: str) -> Terminal:
        return self.enter_context(self.lab.open_terminal(screen(name)[0]))

    def joined(self, name: str, pseudo: str) -> Terminal:
        """Ouvre le client de l'écran `name` et donne son pseudo."""
        terminal = self.terminal(name)
        terminal.wait_screen("Quel est ton pseudo ?")
        terminal.type(f"{pseudo}\n")
        return terminal

    def shows(self, name: str, output: Callable[[], str]) -> None:
        """Attend que cet écran soit celui du README."""
        wanted = settled(screen(name)[1])

        def actual() -> str:
            return settled(self.lab.told(output()))

        wait_for(lambda: actual() == wanted, lambda: f"{name} : {actual()}\nau lieu de\n{wanted}")

    def answers(self, name: str) -> None:
        """Tape dans Python ce que montre le README, et compare les réponses."""
        [block] = [block for block in blocks(FRENCH, "pycon") if block.name == name]
        text = block.text.replace("redis://127.0.0.1:6379/0", self.lab.urls["REDIS_URL"])
        text = text.replace('"mongodb://127.0.0.1:27017/tp7"', repr(self.lab.urls["MONGO_URL"]))
        examples = doctest.DocTestParser().get_examples(text)
        typed = "\n".join(example.source for example in examples) + "\n"
        command = [sys.executable, "-i", "-W", "ignore"]
        python = subprocess.run(command, input=typed, capture_output=True, text=True)
        wanted = "".join(example.want for example in examples)
        assert settled(self.lab.told(python.stdout)) == settled(wanted), python.stderr


def test_screens_of_i_1(stage: Stage):
    """I.1 : l'écho, des deux côtés."""
    server = stage.server("i1-server")
    client = stage.terminal("i1-client")
    client.wait_screen("Ton message :")
    client.type("bonjour\n")
    stage.shows("i1-client", lambda: client.text)
    stage.shows("i1-server", lambda: server.output)


def test_screen_of_i_2(stage: Stage):
    """I.2 : le même échange, de Node."""
    stage.need_node()
    stage.serve("python ws_i_1_server.py", "8888")
    client = stage.enter(stage.lab.run(f"{screen('i2-client')[0]} 127.0.0.1 8888"))
    client.write("bonjour")
    client.wait_line("Received")
    [echoed] = client.lines  # ce qui est tapé ne se voit que dans un terminal
    echoed = echoed.replace(" : ", " : bonjour\n", 1)
    stage.shows("i2-client", lambda: f"{echoed}\nTon message :")
    client.close_input()
    assert client.wait() == 0


def test_screens_of_i_3(stage: Stage):
    """I.3 : deux personnes se parlent, l'une part, le serveur s'arrête."""
    server = stage.server("i3-server")
    ana = stage.joined("i3-ana", "ana")
    ana.wait_screen(">")
    converse(ana, stage.joined("i3-leo", "léo"))
    stage.shows("i3-server", lambda: server.output)
    server.stop()
    stage.shows("i3-ana", lambda: ana.text)
    assert ana.wait() == 1


def converse(ana: Terminal, leo: Terminal) -> None:
    ana.wait_screen("léo a rejoint")
    ana.type("Bonjour léo !\n")
    leo.wait_screen("Bonjour")
    leo.type("Bonjour ana, tu vas bien ?\n")
    ana.wait_screen("tu vas bien")
    leo.type("\x04")
    ana.wait_screen("a quitté")


def test_screen_of_ii_1(lab: Lab):
    """II.1 : databases.py démarre les deux bases, et les arrête."""
    with Stage(lab) as stage:
        lab.urls = {
            "REDIS_URL": lab.real("redis://127.0.0.1:6379/0"),
            "MONGO_URL": lab.real("mongodb://127.0.0.1:27017"),
        }
        databases = stage.enter(lab.run(screen("ii1-databases")[0]))
        databases.wait_line("Ctrl.C", timeout=30)
        stage.shows("ii1-databases", lambda: databases.output)
        stage.answers("ii1-ttl")
        assert databases.stop(signal.SIGINT) == 0


def test_screens_of_ii_2(stage: Stage):
    """II.2 : deux serveurs, une seule salle, et ce qu'il en reste dans Redis."""
    servers = stage.server("ii2-server-1"), stage.server("ii2-server-2", "8889")
    ana = stage.joined("ii2-ana", "ana")
    ana.wait_screen(">")
    leo = stage.joined("ii2-leo", "léo")
    converse(ana, leo)
    for name, terminal in ("ii2-ana", ana), ("ii2-leo", leo):
        stage.shows(name, lambda terminal=terminal: terminal.text)
    for name, server in zip(("ii2-server-1", "ii2-server-2"), servers, strict=True):
        stage.shows(name, lambda server=server: server.output)
    stage.answers("ii2-redis")


def test_screens_of_ii_3(stage: Stage):
    """II.3 : qui arrive après coup reçoit ce qui s'est dit, et MongoDB l'a."""
    stage.server("ii3-server")
    ana, leo = (stage.joined("ii3-zoe", name) for name in ("ana", "léo"))
    converse(ana, leo)
    zoe = stage.joined("ii3-zoe", "zoé")
    stage.shows("ii3-zoe", lambda: zoe.text)
    with MongoClient(stage.lab.urls["MONGO_URL"]) as client:
        messages = client.get_default_database()["messages"]
        wait_for(lambda: messages.count_documents({}) == 2, "MongoDB n'a pas les deux messages")
    stage.answers("ii3-mongo")


@needs_make
def test_screen_of_make_chat(lab: Lab):
    """`make chat` finit par le dernier serveur, et dit comment le rejoindre."""
    (lab.folder / ".venv").symlink_to(sys.prefix)
    with Stage(lab) as stage:
        lab.urls = {
            "REDIS_URL": lab.real("redis://127.0.0.1:6379/0"),
            "MONGO_URL": lab.real("mongodb://127.0.0.1:27017"),
        }
        # -o : l'installation est faite, c'est celle de ce Python.
        make = stage.enter(lab.run(f"{screen('chat')[0]} PORT=8888 -o .venv/installed"))
        make.wait_line("à l'écoute", timeout=30)
        stage.shows("chat", lambda: make.output)
        os.killpg(make.pid, signal.SIGINT)
        assert make.wait(30) in (0, -signal.SIGINT)
