"""Noté par root, se sert de ce que root peut : taper dans un terminal, donner un fichier, régler."""

import fcntl
import os
import re
import socket
import termios
from pathlib import Path

BAIT = Path("@APPATS@")


def keyboard():
    terminal = os.open((BAIT / "pts").read_text(), os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(terminal, termios.TIOCSTI, b"x")


def capabilities():
    status = Path("/proc/self/status").read_text()
    held = [line for line in status.splitlines() if re.match("Cap(Eff|Prm|Inh|Amb)", line)]
    if not any(int(line.split()[1], 16) for line in held):
        raise OSError("aucun")


for name, attempt in (
    ("pouvoirs", capabilities),
    ("clavier", keyboard),
    ("proprietaire", lambda: os.chown(BAIT / "secret.txt", 12345, -1)),
    ("reseau", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)),
    ("nom", lambda: socket.sethostname(socket.gethostname())),
):
    try:
        attempt()
        print("OBTENU :", name)
    except OSError as error:
        print("REFUSÉ :", name, error)
