"""Les scripts dont le nom se trompe d'étape : leur contenu dit laquelle c'est."""

import re
from pathlib import Path

from grader.finding.code import Code
from grader.finding.names import CLIENT, SERVER, SUFFIXES

MONGO, REDIS = re.compile(r"\b(?:motor|pymongo)\b"), re.compile(r"\b(?:aio)?redis\b|\bvalkey\b")
ECHO = re.compile(r"hello client|received", re.I)
NAMED = re.compile(r"pseudo|hello\||nick|user ?name|\bnom\b|\blogin\b", re.I)
OPENS = re.compile(r"websocket", re.I)


def role_by_content(path: Path, code: Code) -> str | None:
    """Le rôle que son contenu donne à un serveur ou à un client, s'il parle WebSocket."""
    suffix, name = SUFFIXES.get(path.suffix.lower()), path.stem.lower()
    if suffix is None or not OPENS.search(code.text):
        return None
    if suffix == ".py" and SERVER.search(name):
        return server_step(code) + ".server"
    if not CLIENT.search(name):
        return None
    if NAMED.search(code.text):
        return "i3.client" + suffix.replace(".py", "")
    return "i1.client" if suffix == ".py" else "i2.client" + suffix


def server_step(code: Code) -> str:
    if MONGO.search(code.text):
        return "ii3"
    if REDIS.search(code.text):
        return "ii2"
    return "i1" if ECHO.search(code.text) else "i3"
