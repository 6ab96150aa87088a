"""Comment rejoindre la chatroom : ce que `make chat` montre avant de la lancer.

    python -m chatroom.join [-a ADRESSE] [-p PORT]

Chaque ligne se copie telle quelle, même d'un dossier nommé `l'école`, `tp7(1)` ou `C#`.
"""

import argparse
import shlex
import socket
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

from .options import CannotStart, read_place

FOLDER = Path(__file__).resolve().parent.parent
FAR_AWAY = {"0.0.0.0": (socket.AF_INET, "203.0.113.1"), "::": (socket.AF_INET6, "2001:db8::1")}


def show(address: str, port: int) -> None:
    """Montre la commande du client et l'adresse de la page."""
    client = [sys.executable, "-m", "chatroom.client", "-a", address, "-p", str(port)]
    page = (FOLDER / "ws_i_3_client.html").as_uri()
    print("Pour rejoindre la chatroom, dans un autre terminal :")
    print(f"  cd {shlex.quote(str(FOLDER))} && {shlex.join(client)}")
    print("ou dans un navigateur :")
    print(f"  {page}?{urlencode({'address': address, 'port': port})}")


def reachable(address: str) -> str:
    """Rend une adresse où se connecter : « toutes celles de cette machine » n'en est pas une."""
    if address not in FAR_AWAY:
        return address
    family, far_away = FAR_AWAY[address]
    with socket.socket(family, socket.SOCK_DGRAM) as route, suppress(OSError):
        route.connect(
            (far_away, 9)
        )  # rien ne part : le système choisit seulement d'où il partirait
        return str(route.getsockname()[0])
    return "localhost"


def main() -> None:
    try:
        place = read_place(argparse.ArgumentParser("python -m chatroom.join"))
    except CannotStart as error:
        print(error, file=sys.stderr)
        sys.exit(error.code)
    if place.port:  # 0 : le système choisira, et le serveur dira lequel
        show(reachable(place.address), place.port)


if __name__ == "__main__":
    main()
