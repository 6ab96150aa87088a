"""Les réglages : les options, puis l'environnement, puis le fichier .env du projet."""

import argparse
import os
import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from dotenv import dotenv_values
from dotenv.parser import parse_stream

DOTENV = Path(__file__).parent.parent / ".env"
ORIGIN = re.compile(  # comme les navigateurs les écrivent : sans le port habituel
    r"null|(?!http://.*:80$|https://.*:443$)"
    r"[a-z][a-z0-9+.-]*://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?"
)
REDIS_URL = re.compile(
    r"(rediss?://([^/?#@]*@)?[^/?#@]*(/[0-9]*)?|unix://([^/?#@]*@)?/[^?#@]+)(\?[^#@]*)?"
)
# Les autres options d'une adresse de Redis changeraient ce sur quoi la chatroom compte.
TLS_OPTIONS = "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs"


class CannotStart(Exception):
    """Le serveur ne peut pas démarrer : la phrase à montrer, et le code de sortie."""

    def __init__(self, sentence: str, code: int = 1):
        super().__init__(sentence)
        self.code = code


class Value(NamedTuple):
    """Une valeur, et d'où elle vient."""

    text: str
    source: str

    def wrong(self, why: str) -> CannotStart:
        return CannotStart(f"{self.source} : {why}.", 2)


@dataclass(frozen=True)
class Options:
    """Ce qui se règle."""

    address: str
    port: int
    session_ttl: int  # secondes que vit une session après un départ
    origins: list[str]  # aucune : toutes sont admises
    redis_url: str
    mongo_url: str


def read_options() -> Options:
    """Lit les réglages ; lève CannotStart, de code 2, au premier qui ne peut pas servir."""
    parser = argparse.ArgumentParser(prog="python -m chatroom", description="La chatroom.")
    place = read_place(parser)
    return Options(
        address=place.address,
        port=place.port,
        session_ttl=whole_number(setting("SESSION_TTL", "3600"), 30, 10**8),
        origins=origins(setting("ORIGINS", "")),
        redis_url=redis_url(setting("REDIS_URL", "redis://127.0.0.1:6379/0")),
        mongo_url=setting("MONGO_URL", "mongodb://127.0.0.1:27017").text,
    )


def read_place(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Lit les options, dont `address` et `port` : les mêmes pour le serveur et pour son client."""
    parser.add_argument("-a", "--address", help="adresse du serveur (127.0.0.1 par défaut)")
    parser.add_argument("-p", "--port", help="port du serveur (8888 par défaut)")
    given = parser.parse_args()
    port = Value(given.port, "-p") if given.port else setting("WS_PORT", "8888")
    given.address = given.address or setting("WS_HOST", "127.0.0.1").text
    given.port = whole_number(port, 0, 65535)
    return given


def setting(name: str, default: str) -> Value:
    """Cherche une valeur dans l'environnement, puis dans .env ; vide, elle compte pour absente."""
    neighbour = read_dotenv()  # lu même s'il n'est pas utile : ses fautes se disent toujours
    if value := os.environ.get(name):
        return Value(value, f"{name} dans l'environnement")
    return Value(neighbour.get(name) or default, f"{name} dans le fichier .env")


def read_dotenv() -> dict[str, str | None]:
    """Lit le fichier .env, s'il existe."""
    try:
        text = DOTENV.read_text("utf-8-sig") if DOTENV.exists() else ""
    except (OSError, UnicodeError) as error:
        sentence = f"Le fichier .env ne se lit pas ({error}) : enregistre-le en UTF-8."
        raise CannotStart(sentence, 2) from None
    for key, value, original, wrong in parse_stream(StringIO(text)):
        # « WS_PORT:9000 » et « $env:WS_PORT=9000 » ne sont pas des fautes pour python-dotenv.
        if wrong or (key and (value is None or not key.isidentifier())):
            line = original.line + original.string.rstrip().count("\n")
            cure = "écris NOM=valeur, et ferme les guillemets"
            raise CannotStart(f"Le fichier .env, ligne {line} : {cure}.", 2)
    return dotenv_values(stream=StringIO(text))


def whole_number(value: Value, low: int, high: int) -> int:
    if not re.fullmatch("[0-9]{1,9}", value.text) or not low <= int(value.text) <= high:
        raise value.wrong(f"« {value.text} » n'est pas un nombre de {low} à {high}")
    return int(value.text)


def origins(value: Value) -> list[str]:
    """Rend les origines admises."""
    listed = value.text.replace(",", " ").split()
    for origin in listed:
        if not ORIGIN.fullmatch(origin):
            raise value.wrong(
                f"« {origin} » n'est pas une origine ; écris https://exemple.fr,"
                " http://192.168.56.10:8000, ou null pour une page ouverte du disque ; sépare-les"
                " par des virgules ; laisse ORIGINS vide pour les admettre toutes"
            )
    return listed


def redis_url(value: Value) -> str:
    """Rend l'adresse de Redis, une fois vérifiée. Aucune phrase ne la cite : un mot de passe peut y
    être même là où il ne devrait pas."""
    try:
        address = urlsplit(value.text)
        readable = REDIS_URL.fullmatch(value.text) and address.port != 0
    except ValueError:  # un port qui n'en est pas un
        readable = False
    if not readable:
        raise value.wrong(
            "ce n'est pas une adresse comme redis://127.0.0.1:6379/0, rediss://… ou unix:///… ; un"
            " mot de passe s'y écrit encodé en %"
        )
    for option in filter(None, address.query.split("&")):
        name, _, text = option.partition("=")
        tls = address.scheme == "rediss" and name in TLS_OPTIONS
        if not tls and not (name == "db" and text.isdecimal()):
            raise value.wrong(f"l'option {name} de l'adresse n'est pas admise, ou pas ainsi")
    return value.text


def place(url: str) -> str:
    """Rend l'adresse d'une base sans son mot de passe, et sans ses options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
