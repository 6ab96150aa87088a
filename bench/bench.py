"""Le banc de mesure : nos serveurs, ce que l'on choisirait à leur place, et la limite.

    make bench           # quelques minutes
    make bench-long      # au moins cinq tours de chaque mesure

Il installe les concurrents à part, mesure tout tour à tour, et écrit results.json (chaque mesure),
results.md (les tableaux, les objectifs tenus ou manqués), les graphiques img/bench-*.svg et ce que
README.md et README.en.md en montrent.
Comment chaque chiffre est pris : bench/README.md.
"""

import argparse
import json
import re
import resource
import shutil
import sys
import time
from dataclasses import dataclass
from statistics import median

import grading
import pages
import report
import systems
from session import (
    DATA,
    GENERATOR,
    Databases,
    Failed,
    Load,
    compile_generator,
    install_peers,
    session,
)
from systems import BENCH, System
from variants import Outdated

# Les charges. Les noms sont ceux que report.py relit.
ONE = Load("saturé, 1 auteur", 1)
TEN = Load("saturé, 10 auteurs", 10)
HUNDRED = Load("saturé, 100 auteurs", 100)
LONE = Load("message isolé", 1, rate=20)  # un toutes les 50 ms : la salle a le temps de se taire
SMALL = Load("300 messages/s", 100, rate=300)
LARGE = Load("1000 messages/s", 100, rate=1000)
SLOWER = Load("100 messages/s", 100, rate=100)


@dataclass(frozen=True)
class Step:
    """Une étape du plan : un système, sa foule, les charges qu'elle subit à la suite."""

    system: System
    clients: int
    loads: tuple[Load, ...]
    servers: int = 1
    python_generator: bool = False

    def __str__(self):
        several = f", {self.servers} serveurs" if self.servers > 1 else ""
        python = ", générateur en Python" if self.python_generator else ""
        return f"{self.system.label}, {self.clients} clients{several}{python}"


def main_round():
    """Ce que chaque tour mesure : les chiffres des objectifs."""
    for system in (*systems.SHARED_ROOM, *systems.ONE_PROCESS):
        yield Step(system, 500, (ONE, TEN, HUNDRED, LARGE))
    # La limite doit mettre autant de lignes par trame que II.2 sous la même charge.
    for load in (ONE, TEN, HUNDRED, LARGE):
        yield Step(systems.LIMIT_FRAMES, 500, (load,))
    for system in (*systems.SHARED_ROOM, systems.I3, systems.LIMIT):
        yield Step(system, 100, (LONE, SMALL, TEN))
    for system in (systems.II2, systems.II3):
        yield Step(system, 1000, (TEN, LARGE), servers=2)


def side_round():
    """Ce qu'un tour sur deux suffit à dire : la croissance, les variantes, le générateur."""
    # I.3 n'y est pas : 2 000 arrivées y font quatre millions de trames, une par annonce.
    for system in systems.SHARED_ROOM:
        if system is not systems.CHANNELS_CORE:  # une minute à elle seule
            yield Step(system, 2000, (TEN,))
    for system in (systems.I3, systems.II2, systems.II3, *systems.VARIANT_SYSTEMS):
        yield Step(system, 500, (TEN, SLOWER))
    for system in (systems.II2, systems.NODE):
        yield Step(system, 500, (TEN, LARGE), python_generator=True)


def frame_lines(records, step):
    """Rend combien de lignes par trame II.2 a mises sous la même charge, dans ce même essai."""
    load = step.loads[0]
    ratios = [
        record["lines"] / record["frames"]
        for record in records
        if (record["system"], record["load"], record["clients"], record["servers"])
        == ("ii2", load.name, step.clients, 1)
        and record["frames"]
        and not record["python_generator"]
    ]
    return max(round(median(ratios)), 1) if ratios else 1


def run_step(step, databases, records, round_number, seconds):
    """Mesure une étape, ajoute ses mesures à `records`, et rend un résumé d'une ligne."""
    summary = []
    lines = frame_lines(records, step)
    with session(
        step.system, step.clients, step.servers, databases, lines, step.python_generator
    ) as opened:
        for load in step.loads:
            record = opened.run(load, seconds)
            record |= {"round": round_number, "python_generator": step.python_generator}
            records.append(record)
            summary.append(report.brief(record))
    return " · ".join(summary)


def run_plan(plan, databases, records, failures, seconds):
    began = time.monotonic()
    for number, (round_number, step) in enumerate(plan, 1):
        print(f"[{number:3}/{len(plan)}, {time.monotonic() - began:4.0f} s] {step} : ", end="")
        sys.stdout.flush()
        try:
            print(run_step(step, databases, records, round_number, seconds), flush=True)
        except (Failed, Outdated) as failure:
            print(f"échec : {failure}", flush=True)
            failures.append(f"{step} : {failure}")


def make_plan(rounds, pattern):
    """Rend les étapes, tour par tour : les systèmes se suivent, jamais deux fois le même d'affilée.

    Une machine qui ralentit pendant l'essai ralentit ainsi tout le monde.
    """
    plan = []
    for number in range(rounds):
        plan += [(number, step) for step in main_round()]
        if number % 2 == 0:
            plan += [(number, step) for step in side_round()]
    return [(number, step) for number, step in plan if re.search(pattern, str(step))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1, help="tours de mesure (1 par défaut)")
    parser.add_argument("--only", default="", help="étapes à garder (expression régulière)")
    parser.add_argument(
        "--seconds", type=float, default=1, help="durée d'une charge (1 par défaut)"
    )
    parser.add_argument(
        "--grade", type=int, default=1, help="rendus à noter ensemble, après un seul"
    )
    options = parser.parse_args()
    if sys.platform != "linux" or not shutil.which("npm"):
        sys.exit("Le banc lit /proc et lance un serveur Node : il faut Linux, et Node avec npm.")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    DATA.mkdir(exist_ok=True)
    install_peers()
    if not compile_generator():
        print("Pas de compilateur C : le générateur sera load.py, plus lent.")
    records, failures = [], []
    machine = report.describe_machine(GENERATOR.exists())
    with Databases() as databases:
        run_plan(
            make_plan(options.rounds, options.only), databases, records, failures, options.seconds
        )
    graded = grading.measure(options.grade) if not options.only else []
    results = {
        "machine": machine,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "failures": failures,
        "records": records,
        "grading": graded,
    }
    # Un essai partiel ne remplace pas les résultats publiés.
    folder, images = (DATA, DATA) if options.only else (BENCH, report.IMAGES)
    text = json.dumps(results, ensure_ascii=False, indent=1) + "\n"
    (folder / "results.json").write_text(text, encoding="utf-8")
    report.write(results, folder, images)
    if not options.only:
        pages.write_pages(results)
    print(f"Écrit : {folder}/results.md, {folder}/results.json et {images}/bench-*.svg")


if __name__ == "__main__":
    main()
