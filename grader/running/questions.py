"""Ce que demande une question au clavier, l'étiquette d'un champ, ou un menu."""

import re

TOGETHER = re.compile(r":\W*port", re.I)  # « ip:port », « ip[:port] »
PORT = re.compile(r"\bport\b", re.I)
URL = re.compile(r"\buri\b|\burl\b|ws://", re.I)
HOST = re.compile(r"adresse|address|\bhost\b|\bhôte\b|\bip\b|\bserveur\b|\bserver\b", re.I)
PATH = re.compile(r"\bchemin\b|\bpath\b|\bendpoint\b|\broute\b", re.I)
SECRET = re.compile(r"mot de passe|password", re.I)
NAME = re.compile(
    r"pseudo|\bnom\b|\bname\b|nickname|username|login|identifiant|surnom|qui es|appel", re.I
)
MESSAGE = re.compile(r"mess|msg|text|phrase|[ée]cri|saisi|\bdire\b|parl|chat", re.I)
OTHER = re.compile(
    r"couleur|colou?r|recherch|search|sujet|subject|salon|room|canal|channel|mail|filtr|\bâge\b",
    re.I,
)
MENU = re.compile(r"^\s*1\s*[.):-]", re.M)
FILLER = "bleu"  # la réponse à une question sans importance
DEFAULT = re.compile(r"[\[(](?:d[ée]faut\W*|default\W*)?([^\W\d][\w-]*)[\])]\s*[:?>]*\s*$", re.I)
# « (rouge/vert/bleu) », « (1 rouge, 2 vert) », « [1-4] » : le premier choix.
CHOICES = re.compile(
    r"[(\[](?:(\w+)(?: ?[/,|] ?\w+)+"
    r"|(\d+)[ =:.)-]+[^\W\d]\w+(?:[ ,;/|]+\d+[ =:.)-]+[^\W\d]\w+)+"
    r"|(\d+) ?(?:-|à|\.\.) ?\d+)[)\]]"
)


def first_choice(question: str) -> str | None:
    """Le premier des choix que montre cette question."""
    found = CHOICES.search(question)
    return next(filter(None, found.groups())) if found else None


def beside(question: str) -> str | None:
    """La réponse à une question qui n'est pas le pseudo : la valeur proposée entre crochets, ou un
    mot, le même pour tous, si l'on demande un salon ou une couleur.
    """
    if NAME.search(question) or MESSAGE.search(question):
        return None
    if found := DEFAULT.search(question):
        return found[1]
    return FILLER if OTHER.search(question) else None


def server_address(question: str) -> str | None:
    """L'adresse, le port ou l'URL du serveur si c'est cela qu'on demande."""
    if TOGETHER.search(question):
        return "127.0.0.1:8888"
    if PORT.search(question):
        return "8888"
    if NAME.search(question):
        return None
    if URL.search(question):
        return "ws://127.0.0.1:8888"
    return "127.0.0.1" if HOST.search(question) else None
