"""Note chaque attaque, et montre ce qu'elle a obtenu : python tests/grader/attacks/run.py [nom…]

Chacune est un rendu, notée seule, avec une échéance. Les appâts (un secret, une socket, un terminal,
un port) sont posés ici et regardés ensuite ; une attaque ne touche à rien d'autre.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BAIT, SHARED, DECOY = Path("/tmp/tp7-appats"), Path("/dev/shm/tp7-appat"), 47123
SECONDS = 150
NAMES = ("\x1b[31mrouge", "deux\nlignes", "\t=1+1", "a b", "a_b")


def main() -> None:
    wanted = sys.argv[1:] or sorted(path.name for path in HERE.iterdir() if path.is_dir())
    for name in wanted:
        with tempfile.TemporaryDirectory() as place:
            attack(name, Path(place))


def attack(name: str, place: Path) -> None:
    folders, visits = prepare(name, place), []
    clean()
    BAIT.mkdir()
    (BAIT / "secret.txt").write_text("le secret de l'enseignant")
    (BAIT / "secret.txt").chmod(0o644)
    shutil.copytree(HERE / "noms", BAIT / "camarade")
    SHARED.write_text("intact")
    ours, theirs = os.openpty()
    (BAIT / "pts").write_text(os.ttyname(theirs))
    with socket.socket(socket.AF_UNIX) as tmux, socket.create_server(("127.0.0.1", DECOY)) as decoy:
        tmux.bind(str(BAIT / "tmux"))
        tmux.listen()
        watching = threading.Thread(target=watch, args=(decoy, visits))
        watching.start()
        begin = time.monotonic()
        output = grade(folders, place / "rapport")
        decoy.shutdown(socket.SHUT_RDWR)
        watching.join()
        print(f"\n=== {name} : {time.monotonic() - begin:.0f} s")
    for line in output.splitlines():
        if "Beautiful is better than ugly" in line or "Traceback" in line or "\x1b[31m" in line:
            print("  au terminal :", repr(line))
    show(place / "rapport")
    print("  port d'un autre :", len(visits), "visite(s)", sorted(set(visits)))
    print("  /dev/shm :", SHARED.read_text(), "; date du secret :", stat())
    for fd in (ours, theirs):
        os.close(fd)
    clean()


def prepare(name: str, place: Path) -> list[Path]:
    """Les rendus à noter ; ce que git garderait mal est fabriqué ici."""
    if name == "foule":
        shutil.copytree(HERE / name, place / name)
        (place / name / "a").mkdir()
        for number in range(20_500):
            (place / name / "a" / f"{number}.txt").touch()
        return [place / name]
    if name == "noms":
        for strange in NAMES:
            shutil.copytree(HERE / name, place / "classe" / strange)
        return [place / "classe" / strange for strange in NAMES]
    return [HERE / name]


def watch(decoy: socket.socket, visits: list[str]) -> None:
    while True:
        try:
            link, _ = decoy.accept()
            link.settimeout(1)
            visits.append(link.recv(40).decode("latin-1").partition("\r")[0])
            link.close()
        except TimeoutError:
            visits.append("muet")
        except OSError:
            return


def grade(folders: list[Path], report: Path) -> str:
    options = [*(f"--rendu={folder}" for folder in folders), f"--rapport={report}", "-n", "0", "-s"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options],
        cwd=ROOT,
        env=os.environ | {"TP7_APPAT": "le jeton de l'enseignant"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        return process.communicate(timeout=SECONDS)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        print("  ARRÊTÉE : trop longue")
        return process.communicate()[0]


def show(report: Path) -> None:
    if not (report / "resultats.json").exists():
        return print("  AUCUN RAPPORT")
    for student in json.loads((report / "resultats.json").read_text("utf-8"))["students"]:
        print(f"  {student['name']!r} : {student['score_min']} à {student['score_max']} / 20")
        for check in student["checks"]:
            if check["state"] != "not_reached":
                print(f"    {check['id']} {check['state']} {check['actual'][:110]!r}")
            for line in check["output"].splitlines():
                if line.startswith(("OBTENU", "REFUSÉ", "RIEN", "VU")):
                    print("     ", line[:150])
    print("  pages :", sorted(path.name for path in report.glob("*.md")))


def stat() -> str:
    there = (BAIT / "secret.txt").stat()
    return f"{there.st_mtime:.0f}, droits {there.st_mode & 0o777:o}"


def clean() -> None:
    shutil.rmtree(BAIT, ignore_errors=True)
    SHARED.unlink(missing_ok=True)


main()
