"""Le guichet d'un réseau à part : y fait des sockets, et les passe à qui tient l'autre bout.

Il tourne à part (`python -I -S counter.py <descripteur>`), dans le réseau que bubblewrap vient de
faire, dit son numéro, puis rend une socket par demande : « listen » pour une qui écoute, « 4 » ou
« 6 » pour une qui se connectera. Quand l'autre bout se ferme, il s'en va, et le réseau avec lui.
"""

import os
import socket
import sys

FAMILIES = {b"4": socket.AF_INET, b"6": socket.AF_INET6}


def main() -> None:
    link = socket.socket(fileno=int(sys.argv[1]))
    link.send(str(os.getpid()).encode())
    while asked := link.recv(10):
        try:
            listening = asked == b"listen"
            made = (
                socket.create_server(("127.0.0.1", 0))
                if listening
                else socket.socket(FAMILIES[asked])
            )
        except OSError:  # une machine sans IPv6
            link.send(b"-")
            continue
        with made:
            socket.send_fds(link, [b"+"], [made.fileno()])


main()
