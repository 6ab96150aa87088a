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
ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]*://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?")
USUAL_PORT = re.compile("http://.*:80|https://.*:443")
REDIS_URL = re.compile(
    r"(?P<scheme>rediss?)://([^/?#@]*@)?(\[[^/?#@\]]+\]|[^/?#@:]*)(:(?P<port>[0-9]{1,5}))?(/[0-9]*)?"
    r"|(?P<socket>unix)://([^/?#@]*@)?/[^?#@]+"
)
# Les autres options d'une adresse de Redis changeraient ce sur quoi la chatroom compte.
FILES = dict.fromkeys(("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"), ".+")
REDIS_OPTIONS = {
    "redis": {"db": "[0-9]+"},
    "rediss": {"db": "[0-9]+", "ssl_cert_reqs": "none|optional|required", **FILES},
    "unix": {"db": "[0-9]+", "username": ".+", "password": ".+"},
}


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


def read_options(arguments: list[str] | None = None) -> Options:
    """Lit les réglages ; lève CannotStart, de code 2, au premier qui ne peut pas servir."""
    parser = argparse.ArgumentParser(prog="python -m chatroom", description="La chatroom.")
    place = read_place(parser, arguments)
    return Options(
        address=place.address,
        port=place.port,
        session_ttl=whole_number(setting("SESSION_TTL", "3600"), 30, 10**8),
        origins=origins(setting("ORIGINS", "")),
        redis_url=redis_url(setting("REDIS_URL", "redis://127.0.0.1:6379/0")),
        mongo_url=setting("MONGO_URL", "mongodb://127.0.0.1:27017").text,
    )


def read_place(
    parser: argparse.ArgumentParser, arguments: list[str] | None = None
) -> argparse.Namespace:
    """Lit les options, dont `address` et `port` : les mêmes pour le serveur et pour son client."""
    parser.add_argument("-a", "--address", help="adresse du serveur (127.0.0.1 par défaut)")
    parser.add_argument("-p", "--port", help="port du serveur (8888 par défaut)")
    given = parser.parse_args(arguments)
    port = Value(given.port, "-p") if given.port else setting("WS_PORT", "8888")
    given.address = given.address or setting("WS_HOST", "127.0.0.1").text
    given.port = whole_number(port, 0, 65535)
    return given


def setting(name: str, default: str) -> Value:
    """Cherche une valeur dans l'environnement, puis dans .env ; vide, elle compte pour absente."""
    neighbour = read_dotenv(DOTENV)  # lu même s'il n'est pas utile : ses fautes se disent toujours
    if value := os.environ.get(name):
        return Value(value, f"{name} dans l'environnement")
    if value := neighbour.get(name):
        return Value(value, f"{name} dans le fichier .env")
    return Value(default, f"{name} par défaut")


def read_dotenv(path: Path) -> dict[str, str | None]:
    """Lit un fichier .env, s'il existe."""
    try:
        text = path.read_text("utf-8-sig") if path.exists() else ""
    except (OSError, UnicodeError) as error:
        sentence = f"Le fichier .env ne se lit pas ({error}) : enregistre-le en UTF-8."
        raise CannotStart(sentence, 2) from None
    for binding in parse_stream(StringIO(text)):
        # « WS_PORT:9000 » et « $env:WS_PORT=9000 » ne sont pas des fautes pour python-dotenv.
        key, value = binding.key, binding.value
        if binding.error or (key and (value is None or not key.isidentifier())):
            written = binding.original.string
            line = binding.original.line + written[: -len(written.lstrip())].count("\n")
            cure = "écris NOM=valeur, et ferme les guillemets"
            raise CannotStart(f"Le fichier .env, ligne {line} : {cure}.", 2)
    return dotenv_values(stream=StringIO(text))


def whole_number(value: Value, low: int, high: int) -> int:
    if not re.fullmatch("[0-9]{1,9}", value.text) or not low <= int(value.text) <= high:
        raise value.wrong(f"« {value.text} » n'est pas un nombre de {low} à {high}")
    return int(value.text)


def origins(value: Value) -> list[str]:
    """Rend les origines admises, écrites comme les navigateurs les écrivent."""
    listed = value.text.replace(",", " ").split()
    for origin in listed:
        if not ORIGIN.fullmatch(origin) or USUAL_PORT.fullmatch(origin):
            raise value.wrong(
                f"« {origin} » n'est pas une origine ; écris https://exemple.fr,"
                " http://192.168.56.10:8000, ou null pour une page ouverte du disque ; sépare-les"
                " par des virgules ; laisse ORIGINS vide pour les admettre toutes"
            )
    return listed


def redis_url(value: Value) -> str:
    """Rend l'adresse de Redis, une fois vérifiée. Aucune phrase ne la cite : un mot de passe peut y
    être même là où il ne devrait pas."""
    address, _, query = value.text.partition("?")
    read = REDIS_URL.fullmatch(address)
    if not read or int(read["port"] or 0) > 65535 or "@" in query:
        raise value.wrong(
            "ce n'est pas une adresse comme redis://127.0.0.1:6379/0, rediss://… ou unix:///… ; un"
            " mot de passe s'y écrit encodé en %"
        )
    allowed = REDIS_OPTIONS[read["scheme"] or read["socket"]]
    for option in filter(None, query.split("&")):
        name, _, text = option.partition("=")
        if name not in allowed or not re.fullmatch(allowed[name], text):
            name = name if re.fullmatch("[a-z_]{1,40}", name) else "inconnue"
            raise value.wrong(f"l'option {name} de l'adresse n'est pas admise, ou pas ainsi")
    return value.text


def place(url: str) -> str:
    """Rend l'adresse d'une base sans son mot de passe, et sans ses options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
