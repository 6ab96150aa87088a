"""Le réseau : toute écoute se fait sur un port libre, toute connexion va au bon endroit."""

import os
import socket
import sys

from tp7_guest.answers import start_answering
from tp7_guest.journal import note

PORTS = {
    kind: int(os.environ.get(f"TP7_{kind.upper()}_PORT", 0))
    for kind in ("server", "redis", "mongo")
}
# Un seul réseau pour tous : en IPv6, la même boucle locale, par son adresse IPv4.
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::ffff:127.0.0.1"}
NOWHERE = 1  # un port où personne n'écoute : la connexion est refusée, comme il se doit
KINDS = {6379: "redis", 27017: "mongo"}
LIBRARIES = {
    "redis": "redis",
    "aioredis": "redis",
    "valkey": "redis",
    "pymongo": "mongo",
    "motor": "mongo",
    "websockets": "server",
}

moved = {}  # port demandé -> port réel
asked = {}  # descripteur -> adresse demandée
real_bind, real_listen = socket.socket.bind, socket.socket.listen
real_connect, real_connect_ex = socket.socket.connect, socket.socket.connect_ex
real_getaddrinfo = socket.getaddrinfo


def bind(self, address):
    if self.family not in LOOPBACK or not self.type & socket.SOCK_STREAM:
        return real_bind(self, address)
    port = int(address[1])
    if self.family == socket.AF_INET6:
        self.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        real_bind(self, (LOOPBACK[self.family], moved.get(port, 0)))
    except OSError:
        real_bind(self, (LOOPBACK[self.family], 0))
    moved.setdefault(port, self.getsockname()[1])
    asked[self.fileno()] = [str(address[0]), port]


def listen(self, *backlog):
    real_listen(self, *backlog)
    if self.family in LOOPBACK:
        real = self.getsockname()
        note("listen", asked=asked.get(self.fileno()), host="127.0.0.1", port=real[1])
        start_answering()


def is_literal(host):
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except (OSError, TypeError, UnicodeError):
        return False
    return True


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    """Tout nom mène à la boucle locale : celui de la machine de l'étudiant n'existe pas ici."""
    if isinstance(host, bytes):
        host = host.decode()
    note("name", host=host)
    six = family == socket.AF_INET6
    target = "::1" if six else "127.0.0.1"
    return real_getaddrinfo(target, port, family or socket.AF_INET, type, proto, 0)


def gethostbyname(name):
    return name if is_literal(name) else "127.0.0.1"


def destination(sock, address):
    """L'adresse réelle d'une connexion, d'après la bibliothèque qui la demande et le port."""
    host, port, home = str(address[0]), int(address[1]), LOOPBACK[sock.family]
    # Déjà redirigée, par les options du client de MongoDB, ou sans connexion.
    if not sock.type & socket.SOCK_STREAM or port in PORTS.values():
        return (home, port)
    kind = caller(sys._getframe(2)) or KINDS.get(port, "server")
    note("connect", kind=kind, host=host, port=port)
    if kind == "server" and port in moved:
        return (home, moved[port])
    return (home, PORTS[kind] or NOWHERE)


def caller(frame):
    """La sorte de serveur que cherche la bibliothèque d'où vient l'appel, si elle est connue."""
    while frame:
        library = frame.f_globals.get("__name__", "").partition(".")[0]
        if library in LIBRARIES:
            return LIBRARIES[library]
        frame = frame.f_back
    return None


def connect(self, address):
    if self.family in LOOPBACK:
        address = destination(self, address)
    return real_connect(self, address)


def connect_ex(self, address):
    if self.family in LOOPBACK:
        address = destination(self, address)
    return real_connect_ex(self, address)


def install():
    socket.socket.bind, socket.socket.listen = bind, listen
    socket.socket.connect, socket.socket.connect_ex = connect, connect_ex
    socket.getaddrinfo, socket.gethostbyname = getaddrinfo, gethostbyname
