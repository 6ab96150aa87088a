"""Les commandes du cours marchent, et chaque écran montré est ce que l'on voit vraiment."""

import doctest
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from redis import Redis
from support.processes import ROOT, Process, missing, wait_for
from support.storage import free_port
from support.terminal import Terminal
from websockets.sync.client import connect

from .pages import FRENCH, blocks, commands

STEPS = [page for page in FRENCH if page.stem not in ("faq", "wireshark", "enseignant")]
LINES = sorted({line for page in STEPS for line in commands(page)})
SERVER = r"([A-Z_]+=\S+ )*python (databases\.py -- python )?(ws_\w+_server\.py|-m chatroom( |$))"
CLIENT = r"python (ws_\w+_client\.py|-m chatroom\.client)|node ws_i_2_client\.js"
# Ce qui règle la machine de l'étudiant, et ce qu'un autre test lance.
ELSEWHERE = (
    r"(sudo|docker|ssh|haproxy|sed|source|cp|kill|git|redis-cli) |python3 -m venv |python databases"
)
HERE = "127.0.0.1 8888"
# Les lignes du sujet, telles qu'il les donne.
SUBJECT = """
sudo firewall-cmd --add-port=8888/tcp --permanent
sudo firewall-cmd --reload
docker compose up -d
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
# Ce qui change d'une fois à l'autre.
VARYING = {
    r"\[\d\d:\d\d\]": "[hh:mm]",
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}": "<instant>",
    r"(?<=')[\w-]{22}(?=')": "<session>",
    r"\b\d{13}-\d+": "<id>",
    r"[ \n]+": "\n",
}


class Lab(ExitStack):
    """Une copie neuve du TP, dont les programmes finissent avec elle ; et, au lieu des ports des
    pages, des ports libres."""

    def __init__(self, folder: Path, redis_url: str, mongo_url: str):
        super().__init__()
        self.folder = folder
        shutil.copytree(ROOT / "chatroom", folder / "chatroom")
        for file in (*ROOT.glob("*.*"), ROOT / "Makefile"):
            if file.is_file() and file.name not in (".env", "package-lock.json"):
                shutil.copy(file, folder)
        self.urls = {"REDIS_URL": redis_url, "MONGO_URL": mongo_url}
        self.ports = {"8888": free_port(), "8889": free_port(), "8881": free_port()}
        self.ports |= {"8882": free_port()}
        self.ports |= {"6379": urlsplit(redis_url).port, "27017": urlsplit(mongo_url).port}

    def real(self, text: str) -> str:
        """Un texte des pages, avec les ports d'ici et cette seule machine."""
        text = re.sub(r"0\.0\.0\.0|192\.168\.56\.10", "127.0.0.1", text)
        return re.sub("|".join(self.ports), lambda found: str(self.ports[found[0]]), text)

    def told(self, text: str) -> str:
        """Un texte d'ici, comme dans les pages."""
        for said, port in self.ports.items():
            text = re.sub(rf"\b{port}\b", said, text)
        for pattern, name in VARYING.items():
            text = re.sub(pattern, name, text)
        return text.strip()

    def words(self, line: str) -> tuple[list[str], dict[str, str]]:
        """La commande d'une ligne, et ce que vaut l'environnement. L'étape I.1 ne le lit pas."""
        if "ws_i_1_" in line and " -p " not in line:
            line += " -p 8888"
        words = shlex.split(self.real(line))
        settings = {"WS_PORT": str(self.ports["8888"])} | self.urls
        while re.match("[A-Z_]+=", words[0]):
            name, _, settings[name] = words.pop(0).partition("=")
        return [sys.executable if words[0] == "python" else words[0], *words[1:]], settings

    def run(self, line: str) -> Process:
        words, settings = self.words(line)
        process = Process(*words, cwd=self.folder, **settings)
        self.callback(process.kill)
        return process

    def serve(self, line: str) -> Process:
        process = self.run(line)
        process.wait_line(r"à l'écoute sur ws://127\.0\.0\.1:", timeout=40)
        return process

    def enter(self, name: str, pseudo: str = "") -> Terminal:
        """Ouvre le client d'un écran dans un terminal, et y répond par son pseudo."""
        (_, *words), settings = self.words(screen(name)[0])
        *_, script = words[: 2 if words[0] == "-m" else 1]
        options = words[words.index(script) + 1 :]
        terminal = Terminal(str(self.folder / script), *options, columns=120, **settings)
        self.enter_context(terminal)
        if pseudo:
            terminal.wait_screen("pseudo")
            terminal.type(f"{pseudo}\r")
        return terminal

    def shows(self, name: str, output: Callable[[], str]) -> None:
        """Attend que l'écran de ce nom soit celui de la page."""
        wanted = self.told(screen(name)[1])
        text = "{} : {}\nau lieu de\n{}".format
        told = lambda: self.told(output())  # noqa: E731
        wait_for(lambda: told() == wanted, lambda: text(name, told(), wanted), 20)

    def answers(self, name: str) -> None:
        """Tape dans Python ce que montre la page, et compare les réponses."""
        text = self.real(block(name).text)
        text = text.replace("tp7", urlsplit(self.urls["MONGO_URL"]).path.strip("/") or "tp7")
        examples = doctest.DocTestParser().get_examples(text)
        typed = "\n".join(example.source for example in examples) + "\n"
        command = [sys.executable, "-i", "-W", "ignore"]
        python = subprocess.run(command, input=typed, capture_output=True, text=True)
        wanted = "".join(example.want for example in examples)
        assert self.told(python.stdout) == self.told(wanted), python.stderr


def block(name: str):
    [found] = [one for page in FRENCH for one in blocks(page) if one.name == name]
    return found


def screen(name: str) -> tuple[str, str]:
    """La commande et ce que montre l'écran de ce nom."""
    command, _, shown = block(name).text.partition("\n")
    return command.removeprefix("$ "), shown


@pytest.fixture
def lab(tmp_path: Path, redis_url: str, mongo_url: str) -> Iterator[Lab]:
    with Lab(tmp_path, redis_url, mongo_url) as opened:
        yield opened


def need_node(lab: Lab) -> None:
    if missing("node") or not (ROOT / "node_modules/ws").exists():
        pytest.skip("Node ou son paquet ws n'est pas installé : `npm install` active ce test")
    (lab.folder / "node_modules").symlink_to(ROOT / "node_modules")


# --- Les commandes -------------------------------------------------------------------------------


def test_lines_of_the_subject():
    """Les lignes du pare-feu et de Docker sont celles du sujet, dans l'ordre."""
    lines = [line for line in commands(ROOT / "README.md") if re.match("sudo |docker ", line)]
    assert lines == SUBJECT


@pytest.mark.parametrize("line", [line for line in LINES if not re.match(ELSEWHERE, line)])
def test_lines_to_copy(lab: Lab, line: str):
    """Chaque ligne à copier fait ce qu'elle doit : un serveur écoute, un client entre et part."""
    if re.match(SERVER, line):
        assert lab.serve(line).stop() == 0
    elif re.match(CLIENT, line):
        if line.startswith("node"):
            need_node(lab)
        server = f"python ws_i_{1 if re.search('ws_i_[12]', line) else 3}_server.py -p "
        lab.serve(server + ("8889" if "8889" in line else "8888"))
        client = lab.run(line if len(line.split()) > 2 or "node" not in line else f"{line} {HERE}")
        client.write("ana")
        client.close_input()
        assert client.wait() == 0 and "Traceback" not in client.output, client.output
    else:
        words, _ = lab.words(line)
        if words[:2] == ["pip", "install"]:  # rien n'est téléchargé : un nom mal écrit se voit
            words = [sys.executable, "-m", *words, "--dry-run", "--no-index"]
        elif words[:2] == ["npm", "install"]:  # ce que les tests de Node ont déjà
            wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]
            assert set(words[2:]) <= set(wanted)
            return
        elif words[0] == "make":
            words += ["-n", "-o", ".venv/installed"]
        else:
            assert words[0] == "diff", "aucun test ne vérifie cette ligne"
        done = subprocess.run(words, cwd=lab.folder, capture_output=True, text=True)
        assert done.returncode == (words[0] == "diff"), done.stderr
        assert "Would install" not in done.stdout and (done.stdout or words[0] != "diff")


# --- Les écrans ----------------------------------------------------------------------------------


def test_screens_of_i_1(lab: Lab):
    server, client = lab.serve(screen("i1-server")[0]), lab.enter("i1-client")
    client.wait_screen("Ton message :")
    client.type("bonjour\r")
    lab.shows("i1-client", lambda: client.text)
    lab.shows("i1-server", lambda: server.output)


def test_screen_of_i_2(lab: Lab):
    need_node(lab)
    lab.serve("python ws_i_1_server.py")
    client = lab.run(f"{screen('i2-client')[0]} {HERE}")
    client.write("bonjour")  # ce qui est tapé ne se voit que dans un terminal
    lab.shows(
        "i2-client", lambda: client.output.replace(" : ", " : bonjour\n", 1) + "\nTon message :"
    )


def converse(ana: Terminal, leo: Terminal) -> None:
    """Ana et léo se parlent, et léo s'en va."""
    ana.wait_screen("léo a rejoint")
    ana.type("Bonjour léo !\r")
    leo.wait_screen("dit : Bonjour léo !")
    leo.type("Bonjour ana, tu vas bien ?\r")
    ana.wait_screen("tu vas bien ?")
    leo.type("\x04")
    ana.wait_screen("léo a quitté")


def test_screens_of_i_3(lab: Lab):
    server = lab.serve(screen("i3-server")[0])
    with connect(f"ws://127.0.0.1:{lab.ports['8888']}", proxy=None) as zoe:
        zoe.send("Hello|zoé")
        zoe.recv()
        ana = lab.enter("i3-ana", "ana")
        assert "ana a rejoint" in zoe.recv(20)
        leo = lab.enter("i3-leo", "léo")
        converse(ana, leo)
        lab.shows("i3-ana", lambda: ana.text)
        lab.shows("i3-leo", lambda: leo.text)
        lab.shows("i3-server", lambda: server.output)


def test_screens_of_ii_1(lab: Lab):
    lab.ports |= {"6379": free_port(), "27017": free_port()}
    lab.urls = {
        "REDIS_URL": lab.real("redis://127.0.0.1:6379"),
        "MONGO_URL": lab.real("mongodb://127.0.0.1:27017"),
    }
    databases = lab.run(screen("ii1-databases")[0])
    databases.wait_line("Ctrl.C", timeout=40)
    lab.shows("ii1-databases", lambda: databases.output)
    lab.answers("ii1-ttl")
    assert databases.stop(signal.SIGINT) == 0


def test_screens_of_ii_2(lab: Lab):
    servers = {name: lab.serve(screen(name)[0]) for name in ("ii2-server-1", "ii2-server-2")}
    ana = lab.enter("ii2-ana", "ana")
    with Redis.from_url(lab.urls["REDIS_URL"]) as redis:
        wait_for(lambda: redis.exists("room"), "ana est entrée")
    leo = lab.enter("ii2-leo", "léo")
    converse(ana, leo)
    lab.shows("ii2-ana", lambda: ana.text)
    lab.shows("ii2-leo", lambda: leo.text)
    for name, server in servers.items():
        lab.shows(name, lambda server=server: server.output)
    lab.answers("ii2-redis")


def test_screens_of_ii_3(lab: Lab):
    server = lab.serve(screen("ii3-server")[0])
    url = f"ws://127.0.0.1:{lab.ports['8888']}"
    with connect(url, proxy=None) as ana, connect(url, proxy=None) as leo:
        for websocket, pseudo in (ana, "ana"), (leo, "léo"):
            websocket.send(f"Hello|{pseudo}")
            websocket.recv()
        ana.recv()
        ana.send("Bonjour léo !")
        leo.recv()
        leo.send("Bonjour ana, tu vas bien ?")
        ana.recv()
    with MongoClient(lab.urls["MONGO_URL"]) as client:
        messages = client.get_default_database()["messages"]
        wait_for(lambda: messages.count_documents({}) == 2, "les deux messages dans MongoDB")
    with Redis.from_url(lab.urls["REDIS_URL"]) as redis:
        wait_for(lambda: redis.xlen("room") == 6, "deux arrivées, deux messages, deux départs")
    zoe = lab.enter("ii3-zoe", "zoé")
    lab.shows("ii3-zoe", lambda: zoe.text)
    lab.shows("ii3-server", lambda: server.output)
    lab.answers("ii3-mongo")


def test_screens_of_iii(lab: Lab):
    """Le serveur est tué net, puis relancé : ana revient, et rien ne manque."""
    server = lab.serve(screen("iii-server")[0])
    lab.shows("iii-server", lambda: server.output)
    ana = lab.enter("iii-ana", "ana")
    ana.wait_screen("Te voilà")
    leo = lab.enter("iii-leo", "léo")
    ana.wait_screen("léo a rejoint")
    with Redis.from_url(lab.urls["REDIS_URL"], decode_responses=True) as redis:
        [(last, _)] = redis.xrevrange("{chatroom}:room", count=1)
        key = "{chatroom}:session:" + redis.hget("{chatroom}:pseudos", "ana")
        wait_for(lambda: redis.hget(key, "position") == last, "sa position est notée", 20)
    ana.type("Bonjour léo !\r")
    leo.wait_screen("dit : Bonjour léo !")
    server.kill()
    ana.wait_screen("Pas de serveur")
    leo.wait_screen("Pas de serveur")
    leo.type("Tu es encore là ?\r")
    lab.serve("python -m chatroom")
    ana.wait_screen("dit : Tu es encore là ?", 20)
    lab.shows("iii-ana", lambda: ana.text)
