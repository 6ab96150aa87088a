"""Les commandes du cours marchent, et chaque écran montré est ce que l'on voit vraiment."""

import doctest
import re
import shlex
import shutil
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

from .pages import FRENCH, blocks

STEPS = [page for page in FRENCH if page.stem not in ("faq", "faq-code", "wireshark", "enseignant")]
LINES = {
    line for page in STEPS for block in blocks(page, "bash") for line in block.text.splitlines()
}
SERVER = r"([A-Z_]+=\S+ )*python (databases\.py -- python )?(ws_\w+_server\.py|-m chatroom( |$))"
CLIENT = r"python (ws_\w+_client\.py|-m chatroom\.client)|node ws_i_2_client\.js"
# Ce qui règle la machine de l'étudiant, et ce qu'un autre test lance.
ELSEWHERE = (
    r"(sudo|docker|haproxy|sed|source|diff|make|npm) |python3 -m venv |python databases\.py$"
)
# Ce qui change d'une fois à l'autre.
VARYING = {
    r"\[\d\d:\d\d\]": "[hh:mm]",
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}": "<instant>",
    r"(?<=')[\w-]{22}(?=')": "<session>",
    r"\b\d{13}-\d+": "<id>",
    r"[ \n]+": "\n",
}


class Lab(ExitStack):
    """Une copie neuve du TP, et des ports libres au lieu de ceux des pages."""

    def __init__(self, folder: Path, redis_url: str, mongo_url: str):
        super().__init__()
        self.folder = folder
        shutil.copytree(ROOT / "chatroom", folder / "chatroom")
        (folder / "node_modules").symlink_to(ROOT / "node_modules")
        for file in *ROOT.glob("*.py"), *ROOT.glob("*.js"):
            shutil.copy(file, folder)
        self.urls = {"REDIS_URL": redis_url, "MONGO_URL": mongo_url}
        self.ports = {said: free_port() for said in ("8888", "8889", "8881", "8882")}
        self.ports |= {"6379": urlsplit(redis_url).port, "27017": urlsplit(mongo_url).port}

    def real(self, text: str) -> str:
        """Un texte des pages, avec les ports d'ici et cette seule machine."""
        text = re.sub(r"0\.0\.0\.0|192\.168\.56\.10", "127.0.0.1", text)
        return re.sub("|".join(self.ports), lambda found: str(self.ports[found[0]]), text)

    def told(self, text: str) -> str:
        """Un texte d'ici, comme dans les pages."""
        ports = {rf"\b{port}\b": said for said, port in self.ports.items()}
        for pattern, name in (ports | VARYING).items():
            text = re.sub(pattern, name, text)
        return text.strip()

    def words(self, line: str) -> tuple[list[str], dict[str, str]]:
        """La commande d'une ligne, et ce que vaut l'environnement, qui ne vaut rien pour I.1."""
        if re.search("ws_i_1_(?!.* -p )", line):
            line += " -p 8888"
        words = shlex.split(self.real(line))
        settings = {"WS_PORT": str(self.ports["8888"])} | self.urls
        while re.match("[A-Z_]+=", words[0]):
            name, _, settings[name] = words.pop(0).partition("=")
        return [sys.executable if words[0] == "python" else words[0], *words[1:]], settings

    def run(self, line: str) -> Process:
        words, settings = self.words(line)
        return self.enter_context(Process(*words, cwd=self.folder, **settings))

    def serve(self, line: str) -> Process:
        process = self.run(line)
        process.wait_line(r"à l'écoute sur ws://127\.0\.0\.1:", timeout=40)
        return process

    def enter(self, name: str, pseudo: str = "") -> Terminal:
        """Ouvre le client d'un écran dans un terminal, et y répond par son pseudo."""
        (_, *words), settings = self.words(screen(name)[0])
        script, *options = words[1:] if words[0] == "-m" else words
        program = str(self.folder / script)
        terminal = self.enter_context(Terminal(program, *options, columns=120, **settings))
        if pseudo:
            terminal.wait_screen("pseudo ?\n>" if words[0] == "-m" else "pseudo :")
            terminal.type(f"{pseudo}\r")
        return terminal

    def shows(self, name: str, output: Callable[[], str]) -> None:
        """Attend que l'écran de ce nom soit celui de la page."""
        wanted = self.told(screen(name)[1])
        differs = "{} :\n{}\nau lieu de\n{}".format
        wait_for(
            lambda: self.told(output()) == wanted,
            lambda: differs(name, self.told(output()), wanted),
            timeout=20,
        )

    def answers(self, name: str) -> None:
        """Tape dans Python ce que montre la page, et compare les réponses."""
        base = urlsplit(self.urls["MONGO_URL"]).path.strip("/")
        text = self.real(block(name)).replace("tp7", base)
        examples = doctest.DocTestParser().get_examples(text)
        typed = "\n".join(example.source for example in examples) + "\n"
        # Celui où `await` est permis écrit ses invites avec ses réponses.
        interactive = ["-m", "asyncio"] if "await " in typed else ["-i", "-W", "ignore"]
        command = [sys.executable, *interactive]
        python = subprocess.run(command, input=typed, capture_output=True, text=True)
        wanted = "".join(example.want for example in examples)
        answers = re.sub(r"^(>>> )+", "", python.stdout, flags=re.MULTILINE)
        assert self.told(answers) == self.told(wanted), python.stderr


def block(name: str) -> str:
    [found] = [one.text for page in FRENCH for one in blocks(page) if one.name == name]
    return found


def screen(name: str) -> tuple[str, str]:
    """La commande et ce que montre l'écran de ce nom."""
    command, _, shown = block(name).removeprefix("$ ").partition("\n")
    return command, shown


@pytest.fixture
def lab(tmp_path: Path, redis_url: str, mongo_url: str) -> Iterator[Lab]:
    with Lab(tmp_path, redis_url, mongo_url) as opened:
        yield opened


@pytest.mark.parametrize("line", sorted(one for one in LINES if not re.match(ELSEWHERE, one)))
def test_lines_to_copy(lab: Lab, line: str):
    """Chaque ligne à copier fait ce qu'elle doit : un serveur écoute, un client entre et part."""
    if re.match(SERVER, line):
        assert lab.serve(line).stop() == 0
    elif re.match(CLIENT, line):
        if line.startswith("node") and missing("node"):
            pytest.skip(missing("node"))
        step = 1 if re.search("ws_i_[12]", line) else 3
        lab.serve(f"python ws_i_{step}_server.py -p {8889 if '8889' in line else 8888}")
        client = lab.run(f"{line} 127.0.0.1 8888" if line == "node ws_i_2_client.js" else line)
        client.write("ana")
        client.close_input()
        assert client.wait() == 0 and "Traceback" not in client.output, client.output
    else:  # rien n'est téléchargé : un nom mal écrit se voit
        assert line.startswith("pip install "), "aucun test ne vérifie cette ligne"
        command = [sys.executable, "-m", *shlex.split(line), "--dry-run", "--no-index"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0 and "Would install" not in done.stdout, done.stderr


def test_screens_of_i_1_and_i_2(lab: Lab):
    server, client = lab.serve(screen("i1-server")[0]), lab.enter("i1-client")
    client.wait_screen("Ton message :")
    client.type("bonjour\r")
    lab.shows("i1-client", lambda: client.text)
    lab.shows("i1-server", lambda: server.output)
    assert screen("i2-client")[1] == screen("i1-client")[1], "Node montre la même chose"


def test_screens_of_i_3(lab: Lab):
    lab.serve(screen("i3-server")[0])
    with connect(f"ws://127.0.0.1:{lab.ports['8888']}", proxy=None) as zoe:
        zoe.send("Hello|zoé")
        zoe.recv()
        ana = lab.enter("i3-ana", "ana")
        assert "ana a rejoint" in zoe.recv(20)
        converse(lab, "i3", ana)


def converse(lab: Lab, step: str, ana: Terminal) -> None:
    """Léo rejoint ana, ils se parlent, il s'en va."""
    leo = lab.enter(f"{step}-leo", "léo")
    ana.wait_screen("léo a rejoint")
    ana.type("Bonjour léo !\r")
    leo.wait_screen("dit : Bonjour léo !")
    leo.type("Bonjour ana, tu vas bien ?\r")
    ana.wait_screen("tu vas bien ?")
    leo.type("\x04")
    lab.shows(f"{step}-ana", lambda: ana.text)
    lab.shows(f"{step}-leo", lambda: leo.text)


def test_screens_of_ii_2(lab: Lab):
    for name in "ii2-server-1", "ii2-server-2":
        lab.serve(screen(name)[0])
    ana = lab.enter("ii2-ana", "ana")
    with Redis.from_url(lab.urls["REDIS_URL"]) as redis:
        wait_for(lambda: redis.exists("room"), "ana est entrée")
    converse(lab, "ii2", ana)
    lab.answers("ii2-redis")
    lab.answers("ii2-async")
    lab.answers("ii1-ttl")


def test_screens_of_ii_3(lab: Lab):
    lab.serve(screen("ii3-server")[0])
    url = f"ws://127.0.0.1:{lab.ports['8888']}"
    with connect(url, proxy=None) as ana, connect(url, proxy=None) as leo:
        for websocket, pseudo in (ana, "ana"), (leo, "léo"):
            websocket.send(f"Hello|{pseudo}")
            websocket.recv()
        ana.recv()
        ana.send("Bonjour léo !")
        leo.recv()
        with MongoClient[dict](lab.urls["MONGO_URL"]) as mongo:  # écrit après avoir été passé
            messages = mongo.get_default_database()["messages"]
            wait_for(lambda: messages.count_documents({}) == 1, "MongoDB n'a pas le premier")
        leo.send("Bonjour ana, tu vas bien ?")
        ana.recv()
    with Redis.from_url(lab.urls["REDIS_URL"]) as redis:
        wait_for(lambda: redis.xlen("room") == 6, "deux arrivées, deux messages, deux départs")
    zoe = lab.enter("ii3-zoe", "zoé")
    lab.shows("ii3-zoe", lambda: zoe.text)
    lab.answers("ii3-mongo")
    lab.answers("ii3-async")


def test_screens_of_iii(lab: Lab):
    """Le serveur est tué net, puis relancé : ana et léo reviennent, et rien ne manque."""
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
    for one in ana, leo:
        one.wait_screen("Pas de serveur")
    leo.type("Tu es encore là ?\r")
    lab.serve("python -m chatroom")
    lab.shows("iii-ana", lambda: ana.text)
