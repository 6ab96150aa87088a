"""Une machine qui n'est pas la tienne : un ordinateur et une VM, chacun sur son réseau.

Deux espaces de noms réseau (man 8 ip-netns) reliés par une paire de cartes virtuelles : les mêmes
adresses, routes et refus qu'entre deux vraies machines, sur une seule.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import browser
from support.processes import ROOT, Process, both_in, missing, wait_for

from databases import MongoDatabase, RedisDatabase

CHAT_SERVERS = ("ws_i_3_server.py", "ws_ii_2_server.py", "ws_ii_3_server.py")
ECHO_CLIENTS = (sys.executable, "ws_i_1_client.py", "-a"), ("node", "ws_i_2_client.js")
FIREWALL = """
flush ruleset
table inet filter {{
  chain input {{
    type filter hook input priority 0
    tcp dport 8888 {verdict}
  }}
}}
"""
# Ce que répond firewalld, le pare-feu de Rocky Linux, quand un port n'est pas ouvert.
REJECT = "reject with icmpx admin-prohibited"
# Le bus où firewall-cmd parle à firewalld : une adresse abstraite, que seul ce réseau connaît.
# Tous deux sont des programmes Python, dont les avertissements ne nous regardent pas.
FIREWALLD = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:abstract=tp7-firewalld", "PYTHONWARNINGS": "ignore"}
COUNT = "import pymongo; print(pymongo.MongoClient().tp7.messages.count_documents({}))"


class Machine(ExitStack):
    """Un ordinateur : son adresse, son pare-feu, et ses programmes, tous arrêtés à la fin."""

    def __init__(self, name: str, address: str):
        super().__init__()
        self.name, self.address = name, address
        self.inside = ("ip", "netns", "exec", name)

    def run(self, *command: str | Path, **env: str) -> Process:
        process = Process(*self.inside, *command, **env)
        self.callback(process.kill)
        return process

    def python(self, *command: str, **env: str) -> Process:
        return self.run(sys.executable, *command, **env)

    def serve(self, script: str, *options: str, **env: str) -> Process:
        """Lance un serveur du TP, et attend qu'il écoute."""
        server = self.python(script, *options, **env)
        server.wait_line("à l'écoute sur ws://", timeout=20)
        return server

    def join(self, pseudo: str, address: str) -> Process:
        """Entre dans la chatroom avec le client du terminal."""
        client = self.python("ws_i_3_client.py", "-a", address)
        client.write(pseudo)
        return client

    def close_port(self, verdict: str) -> None:
        """Ferme le port 8888 dans le pare-feu, avec ce verdict de nft."""
        must("nft", "-f", "-", inside=self.inside, input=FIREWALL.format(verdict=verdict))

    def open_port(self) -> None:
        must("nft", "flush", "ruleset", inside=self.inside)


def must(*command: str, inside: tuple = (), **options) -> None:
    """Lance une commande d'administration ; saute le test si elle n'est pas permise ici."""
    result = subprocess.run([*inside, *command], capture_output=True, text=True, **options)
    if result.returncode:
        pytest.skip(f"« {' '.join(command)} » n'est pas permis ici : {result.stderr.strip()}")


@pytest.fixture(scope="module")
def network() -> Iterator[tuple[str, str]]:
    """Deux réseaux vides, reliés par un câble : 10.77.0.1 d'un côté, 10.77.0.2 de l'autre."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("deux réseaux sur une machine demandent Linux, et d'être root")
    for program, package in ("ip", "iproute2"), ("nft", "nftables"):
        if not shutil.which(program):
            pytest.skip(f"{program} n'est pas installé : `apt install {package}` active ce test")
    names = f"tp7-vm-{os.getpid()}", f"tp7-ordinateur-{os.getpid()}"
    with ExitStack() as made:
        for name in names:
            must("ip", "netns", "add", name)
            made.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)
        cable = "link add eth0 netns {} type veth peer name eth0 netns {}"
        must("ip", *cable.format(*names).split())
        for number, name in enumerate(names, 1):
            must("ip", "-n", name, *f"address add 10.77.0.{number}/24 dev eth0".split())
            for card in "lo", "eth0":
                must("ip", "-n", name, *f"link set {card} up".split())
        yield names


@pytest.fixture
def vm(network: tuple[str, str]) -> Iterator[Machine]:
    with Machine(network[0], "10.77.0.1") as machine:
        machine.callback(machine.open_port)
        yield machine


@pytest.fixture
def laptop(network: tuple[str, str]) -> Iterator[Machine]:
    with Machine(network[1], "10.77.0.2") as machine:
        yield machine


def shows(process: Process, error: str, code: int = 1) -> None:
    """Le programme finit, montre l'erreur, et la FAQ en parle dans un titre."""
    assert process.wait(20) == code
    assert error in process.output and "Traceback" not in process.output
    titles = [line for line in (ROOT / "docs/faq.md").read_text().splitlines() if line[:1] == "#"]
    assert any(error in title for title in titles), f"« {error} » n'est pas un titre de la FAQ"


def echo_clients(machine: Machine, address: str) -> Iterator[tuple[str, Process]]:
    """Les deux clients de l'écho, en Python et sous Node s'il est là."""
    for program, script, *option in ECHO_CLIENTS:
        if program != "node" or (not missing("node") and (ROOT / "node_modules/ws").exists()):
            yield program, machine.run(program, script, *option, address)


def converses(client: Process) -> None:
    """Le client de l'écho reçoit sa réponse, et finit bien."""
    client.write("bonjour")
    client.wait_line('Hello client ! Received "bonjour"')
    client.close_input()
    assert client.wait() == 0


def test_echo_from_the_laptop(vm: Machine, laptop: Machine):
    """Avec `-a 0.0.0.0`, le serveur de la VM répond aux deux clients de l'ordinateur."""
    vm.serve("ws_i_1_server.py", "-a", "0.0.0.0")
    for _, client in echo_clients(laptop, vm.address):
        converses(client)


def start_redis(vm: Machine, folder: Path, *options: str) -> str:
    """Lance dans la VM un Redis ouvert à tous, et rend son adresse."""
    command = RedisDatabase("redis://0.0.0.0:6379", folder).command()
    vm.run(*command, *options).wait_line("Ready to accept connections")
    return f"redis://{vm.address}:6379/0"


@pytest.mark.parametrize("script", CHAT_SERVERS)
def test_chat_from_the_laptop(vm: Machine, laptop: Machine, tmp_path: Path, script: str):
    """L'un dans la VM, l'autre sur l'ordinateur : ils se parlent, pour chaque serveur du chat."""
    if script != CHAT_SERVERS[0]:
        start_redis(vm, tmp_path)
    vm.serve(script, "-a", "0.0.0.0")
    ana, leo = vm.join("ana", "127.0.0.1"), laptop.join("léo", vm.address)
    both_in(lambda: ana.output + leo.output)
    leo.write("d'une machine à l'autre")
    ana.wait_line("léo a dit : d'une machine à l'autre")
    ana.write("et retour")
    leo.wait_line("ana a dit : et retour")


def test_databases_of_the_vm(vm: Machine, laptop: Machine, tmp_path: Path):
    """Le serveur sur l'ordinateur, les deux bases dans la VM : ce qui est dit y arrive."""
    redis_url = start_redis(vm, tmp_path, "--protected-mode", "no")
    vm.run(*MongoDatabase("mongodb://0.0.0.0:27017", tmp_path).command())
    mongo_url = f"mongodb://{vm.address}:27017"
    laptop.serve("ws_ii_3_server.py", REDIS_URL=redis_url, MONGO_URL=mongo_url)
    laptop.join("ana", "127.0.0.1").write("à garder")

    def stored() -> bool:
        count = vm.python("-c", COUNT)
        count.wait()
        return count.lines == ["1"]

    wait_for(stored, "le message n'est pas dans MongoDB", timeout=20)


def test_redis_in_protected_mode(vm: Machine, laptop: Machine, tmp_path: Path):
    """Redis sans mot de passe refuse une autre machine ; le serveur dit sa raison."""
    redis_url = start_redis(vm, tmp_path)
    shows(
        laptop.python("ws_ii_2_server.py", REDIS_URL=redis_url),
        "DENIED Running in protected mode",
    )


def test_databases_keep_to_their_machine(vm: Machine, laptop: Machine, tmp_path: Path):
    """`databases.py` n'écoute que sa machine : de l'ordinateur, Redis n'est pas là."""
    for script in "databases.py", "ws_ii_2_server.py":  # leurs données iront dans .data/, à côté
        shutil.copy(ROOT / script, tmp_path)
    shutil.copytree(ROOT / "chatroom", tmp_path / "chatroom")
    command = ("python", str(tmp_path / "ws_ii_2_server.py"))
    databases = vm.serve(str(tmp_path / "databases.py"), "--", *command)
    vm.callback(databases.stop)  # tué net, il laisserait ses bases derrière lui
    server = laptop.python("ws_ii_2_server.py", REDIS_URL=f"redis://{vm.address}:6379/0")
    shows(server, "Redis ne répond pas")


def test_server_without_address(vm: Machine, laptop: Machine):
    """Sans `-a 0.0.0.0`, le serveur n'est visible que de la VM."""
    vm.serve("ws_i_1_server.py")
    for program, client in echo_clients(laptop, vm.address):
        error = "ECONNREFUSED" if program == "node" else "[Errno 111] Connect call failed"
        shows(client, error)
    shows(laptop.join("léo", vm.address), "Pas de serveur WebSocket à ws://")
    converses(vm.python("ws_i_1_client.py"))


def test_closed_port(vm: Machine, laptop: Machine):
    """Un pare-feu qui refuse se voit aussitôt ; ouvrir le port suffit."""
    vm.serve("ws_i_1_server.py", "-a", "0.0.0.0")
    vm.close_port(REJECT)
    for program, client in echo_clients(laptop, vm.address):
        shows(client, "EHOSTUNREACH" if program == "node" else "[Errno 113] Connect call failed")
    shows(laptop.join("léo", vm.address), "Pas de serveur WebSocket à ws://")
    vm.open_port()
    converses(laptop.python("ws_i_1_client.py", "-a", vm.address))


def start_firewalld(vm: Machine, folder: Path) -> None:
    """Lance dans la VM le vrai firewalld, sur un bus et avec des réglages à lui."""
    if not shutil.which("firewalld"):
        pytest.skip("firewalld n'est pas installé : `apt install firewalld` active ce test")
    address = f"--address={FIREWALLD['DBUS_SYSTEM_BUS_ADDRESS']}"
    vm.run("dbus-daemon", "--session", address, "--print-address", "--nofork", "--nopidfile")
    (folder / "zones").mkdir()
    settings = ("--system-config", folder, "--log-file", folder / "log")
    vm.run("firewalld", "--nofork", "--nopid", *settings, **FIREWALLD)
    wait_for(lambda: firewall_cmd(vm, "firewall-cmd --state") == ["running"], "pas de firewalld")


def firewall_cmd(vm: Machine, line: str) -> list[str]:
    """Lance dans la VM une ligne du TP, sans son sudo ; rend ce qu'elle affiche."""
    command = vm.run(*line.removeprefix("sudo ").split(), **FIREWALLD)
    command.wait()
    return command.lines


def test_firewalld(vm: Machine, laptop: Machine, tmp_path: Path):
    """Les deux lignes du README ouvrent le port dans firewalld ; la première ne suffit pas."""
    readme = (ROOT / "README.md").read_text().splitlines()
    permanent, reload = [line for line in readme if line.startswith("sudo firewall-cmd")][:2]
    start_firewalld(vm, tmp_path)
    vm.serve("ws_i_1_server.py", "-a", "0.0.0.0")

    def is_refused() -> None:
        client = laptop.python("ws_i_1_client.py", "-a", vm.address)
        shows(client, "[Errno 113] Connect call failed")

    is_refused()
    assert firewall_cmd(vm, permanent) == ["success"]
    is_refused()
    assert firewall_cmd(vm, reload)[-1:] == ["success"]
    assert firewall_cmd(vm, "sudo firewall-cmd --list-ports") == ["8888/tcp"]
    converses(laptop.python("ws_i_1_client.py", "-a", vm.address))


def test_silent_firewall(vm: Machine, laptop: Machine):
    """Un pare-feu qui jette sans répondre se voit au bout de cinq secondes."""
    vm.serve("ws_i_1_server.py", "-a", "0.0.0.0")
    vm.close_port("drop")
    client = laptop.python("ws_i_1_client.py", "-a", vm.address)
    shows(client, "timed out during opening handshake")


def test_addresses_that_lead_nowhere(vm: Machine, laptop: Machine):
    """L'adresse d'un autre réseau, ou d'une autre machine : des deux côtés une phrase le dit."""
    client = laptop.python("ws_i_1_client.py", "-a", "192.168.56.10")
    shows(client, "[Errno 101] Network is unreachable")
    server = vm.python("ws_i_1_server.py", "-a", laptop.address)
    older, newer = "cannot assign requested address", "could not bind on any address out of"
    server.wait()
    shows(server, newer if newer in server.output else older)  # selon la version de Python


@pytest.fixture
def profile(laptop: Machine, tmp_path: Path, monkeypatch) -> Iterator[browser.Profile]:
    """Chromium sur l'ordinateur."""
    if reason := browser.missing_browser():
        pytest.skip(reason)
    wrapper = tmp_path / browser.PROGRAMS[0]
    program = next(filter(None, map(shutil.which, browser.PROGRAMS)))
    wrapper.write_text(f'#!/bin/sh\nexec {" ".join(laptop.inside)} {program} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with browser.chromium() as chromium:
        profile = browser.Profile(chromium)
        yield profile
        profile.check()


def enter(page: browser.Page) -> None:
    page.get_by_label("Pseudo").fill("zoé")
    page.get_by_role("button", name="Rejoindre").click()


def test_pages_from_disk(vm: Machine, profile: browser.Profile):
    """Les pages du disque de l'ordinateur parlent au serveur de la VM, ou disent pourquoi non."""
    closed = vm.serve("ws_i_3_server.py")
    page = profile.open("ws_i_3_client.html", address=vm.address, port=8888)
    enter(page)
    browser.expect(page.get_by_role("alert").first).to_contain_text(
        "ne répond pas : vérifie que le serveur y est lancé."
    )
    closed.stop()
    vm.serve("ws_i_3_server.py", "-a", "0.0.0.0")
    enter(page)
    browser.expect(page.get_by_role("status")).to_contain_text(f"zoé, sur ws://{vm.address}")
    vm.serve("ws_i_1_server.py", "-a", "0.0.0.0", "-p", "8889")
    echo = profile.open("ws_i_2_client.html")
    echo.get_by_label("Adresse").fill(f"ws://{vm.address}:8889")
    echo.get_by_role("button", name="Se connecter").click()
    browser.expect(echo.get_by_role("status")).to_contain_text("Connecté")
    echo.get_by_label("Ton message").fill("bonjour")
    echo.get_by_role("button", name="Envoyer").click()
    browser.expect(echo.get_by_role("log")).to_contain_text('Received "bonjour"')


@pytest.mark.endurance
def test_cable_cut_without_a_word(
    vm: Machine, laptop: Machine, profile: browser.Profile, tmp_path: Path
):
    """Les trames de l'ordinateur partent vers un voisin qui n'existe pas, et rien ne le dit : la
    page le voit dans la minute, marque ce qui n'est peut-être pas passé, et revient."""
    start_redis(vm, tmp_path)
    vm.serve("-m", "chatroom", "-a", "0.0.0.0", MONGO_URL="mongodb://127.0.0.1:1")
    page = profile.open("ws_i_3_client.html", address=vm.address, port=8888)
    enter(page)
    status, log = page.get_by_role("status"), page.get_by_role("log")
    browser.expect(status).to_contain_text("zoé, sur")
    page.wait_for_function("answers")  # au serveur qui répond aux trames vides, elle redemandera
    neighbour = f"{vm.address} lladdr 02:00:00:00:00:99 dev eth0"
    must("ip", "-n", laptop.name, "neigh", "replace", *neighbour.split())
    page.get_by_label("Ton message").fill("perdu ?")
    page.get_by_label("Ton message").press("Enter")
    browser.expect(log.get_by_text("(peut-être pas reçu)")).to_be_visible(timeout=60_000)
    must("ip", "-n", laptop.name, "neigh", "delete", *neighbour.split())
    browser.expect(status).to_contain_text("zoé, sur", timeout=30_000)
    browser.expect(log).to_contain_text("Welcome back zoé !")
