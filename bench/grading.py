"""Ce que coûte la notation : un rendu, puis plusieurs ensemble.

python grading.py [NOMBRE]
"""

import os
import subprocess
import sys
import time

from variants import ROOT

EXAMPLES = ROOT / "tests" / "rendus"


def measure(count: int) -> list[dict]:
    """Note le dépôt lui-même, puis `count` rendus d'essai à la fois (s'il y en a plus d'un)."""
    examples = sorted(path for path in EXAMPLES.glob("*") if path.is_dir())[:count]
    batches = [[ROOT]] + ([examples] if count > 1 else [])
    return [grade(batch) for batch in batches]


def grade(folders) -> dict:
    """Note ces rendus comme le fait `make noter`, et rend la durée et le temps de calcul."""
    print(f"Notation de {len(folders)} rendu(s)…", flush=True)
    command = [sys.executable, "-m", "pytest", "-n", "2", "-q"]
    command += [f"--rendu={folder}" for folder in folders]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)  # compte aussi les enfants qu'il a attendus
    return {
        "folders": len(folders),
        "exit_code": os.waitstatus_to_exitcode(status),
        "seconds": round(time.monotonic() - began, 2),
        "cpu": round(usage.ru_utime + usage.ru_stime, 2),
    }


if __name__ == "__main__":
    for result in measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
        print(result)
