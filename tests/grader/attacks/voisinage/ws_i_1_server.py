"""Touche à ce qui entoure le correcteur : une socket, un terminal, /dev/shm, des droits, des dates.

Il ne touche qu'aux appâts posés pour lui.
"""

import os
import socket
from pathlib import Path

BAIT = Path("/tmp/tp7-appats")


def dial():
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(BAIT / "tmux"))


def shared():
    Path("/dev/shm/tp7-appat").write_text("touché")


def terminal():
    with open((BAIT / "pts").read_text(), "w") as there:
        there.write("touché")


for attempt in (
    dial,
    shared,
    terminal,
    lambda: os.chmod(BAIT / "secret.txt", 0o600),
    lambda: os.utime(BAIT / "secret.txt", (0, 0)),
):
    name = attempt.__name__ if attempt.__name__ != "<lambda>" else attempt.__code__.co_names[1]
    try:
        attempt()
        print("OBTENU :", name)
    except OSError as error:
        print("REFUSÉ :", name, error)
