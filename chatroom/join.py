"""Comment rejoindre la chatroom : ce que `make chat` montre avant de la lancer.

    python -m chatroom.join [-a ADRESSE] [-p PORT]

Chaque ligne se copie telle quelle, même d'un dossier nommé `l'école`, `tp7(1)` ou `C#`.
"""

import argparse
import shlex
import sys
from pathlib import Path
from urllib.parse import urlencode

from .options import CannotStart, read_place

FOLDER = Path(__file__).resolve().parent.parent
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # où l'on écoute, et où l'on se connecte


def main() -> None:
    parser = argparse.ArgumentParser("python -m chatroom.join")
    try:
        place = read_place(parser)
    except CannotStart as error:
        parser.exit(error.code, f"{error}\n")
    if not place.port:  # le système choisira, et le serveur dira lequel
        return
    address, port = EVERYWHERE.get(place.address, place.address), str(place.port)
    client = [sys.executable, "-m", "chatroom.client", "-a", address, "-p", port]
    page = (FOLDER / "ws_i_3_client.html").as_uri()
    print("Pour rejoindre la chatroom, dans un autre terminal :")
    print(f"  cd {shlex.quote(str(FOLDER))} && {shlex.join(client)}")
    print("ou dans un navigateur :")
    print(f"  {page}?{urlencode({'address': address, 'port': port})}")


if __name__ == "__main__":
    main()
