"""Touche à ce qui entoure le correcteur : une socket, un terminal, /dev/shm, des droits, des dates."""

import os
import socket
from pathlib import Path

BAIT = Path("@APPATS@")


def dial():
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(BAIT / "tmux"))


def terminal():
    with open((BAIT / "pts").read_text(), "w") as there:
        there.write("touché")


for name, attempt in (
    ("socket", dial),
    ("terminal", terminal),
    ("partage", lambda: os.truncate("@PARTAGE@", 0)),
    ("droits", lambda: os.chmod(BAIT / "secret.txt", 0o600)),
    ("date", lambda: os.utime(BAIT / "secret.txt", (0, 0))),
):
    try:
        attempt()
        print("OBTENU :", name)
    except OSError as error:
        print("REFUSÉ :", name, error)
