"""Cherche le correcteur dans /proc, et change ses limites avec prlimit."""

import resource
from pathlib import Path

for process in Path("/proc").glob("[0-9]*"):
    try:
        command = (process / "cmdline").read_text().split("\0")
        if "run.py" not in " ".join(command) or "tp7-attaque" in " ".join(command):
            continue
        pid = int(process.name)
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft - 1, hard))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        print("OBTENU : limites", pid)
    except OSError as error:
        print("REFUSÉ :", error)
