"""Ouvrir Redis et MongoDB, et demander à Redis, avant d'écouter, tout ce qu'on lui demandera."""

import asyncio
import warnings
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import PyMongoError
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff, ExponentialBackoff
from redis.exceptions import RedisError, ResponseError

from .options import CannotStart, place
from .protocol import ROOM
from .sessions import ONLINE, PSEUDOS, key, reason, script

CONNECTIONS = 4
DELAY = 2  # secondes laissées à Redis pour répondre, au démarrage
COMMON: dict[str, Any] = {
    "protocol": 2,
    "decode_responses": True,
    "encoding_errors": "replace",  # un inconnu peut écrire des octets qui ne sont pas du texte
}
OURS = "donne à son utilisateur les clés {chatroom}:* et cette commande"
OLD = "il faut Redis 6.2 ou plus récent, ou Valkey, sans commande renommée"
CURES = {  # ce que dit Redis d'un refus, et le remède ; plein ou en lecture seule, cela passera
    "unknown": OLD,
    "syntax error": OLD,
    "WRONGTYPE": "cette clé y sert déjà à autre chose, efface-la ou change de base",
    "permission": OURS,
    "ACL failure": OURS,
    "executing the script": OURS,  # Redis 6.2
    "MovedError": "indique le nœud de la grappe qui tient les clés {chatroom}:*",
}


def patient_redis(url: str) -> Redis:
    """Rend un client de Redis qui insiste sans fin ; une connexion par personne l'épuiserait."""
    retry = Retry(ExponentialBackoff(cap=1, base=0.05), -1)
    pool = BlockingConnectionPool.from_url(
        url, max_connections=CONNECTIONS, timeout=None, socket_timeout=5, retry=retry, **COMMON
    )
    return Redis.from_pool(pool)


def hasty_redis(url: str) -> Redis:
    """Rend un client de Redis qui renonce vite, pour dire qu'il ne répond plus."""
    return Redis.from_url(url, socket_timeout=4, retry=Retry(ConstantBackoff(0.5), 1), **COMMON)


async def probe(redis: Any, url: str) -> None:
    """Lève CannotStart si Redis ne répond pas, est trop vieux, interdit quelque chose, ou si une de
    nos clés y sert déjà à autre chose."""
    keys = ROOM, ONLINE, PSEUDOS, key("?")
    try:
        async with asyncio.timeout(DELAY):
            refusals = await redis.eval(script("probe"), len(keys), *keys)
    except (RedisError, OSError, ValueError) as error:
        if isinstance(error, ResponseError):
            check(f"EVAL {' '.join(keys)}", f"{type(error).__name__} : {error}")
        raise CannotStart(
            f"Redis ne répond pas à {place(url)} ({str(error) or 'aucune réponse'}) : lance"
            " « python databases.py » dans un autre terminal, ou corrige REDIS_URL."
        ) from None
    for refusal in refusals:
        check(*refusal.split("|", 1))


def check(command: str, error: str) -> None:
    """Lève CannotStart si Redis a refusé cette commande pour de bon."""
    for cause, cure in CURES.items():
        if cause.lower() in error.lower():
            raise CannotStart(f"Redis refuse {command} ({reason(error)}) : {cure}.")


def open_messages(url: str) -> Any:
    """Rend la collection des messages ; MongoDB peut être absent, et une écriture ne compte que
    notée dans son journal. Le successeur de motor, AsyncMongoClient, s'ouvre de même."""
    limits: dict[str, Any] = {"serverSelectionTimeoutMS": 1000, "socketTimeoutMS": 5000}
    try:
        with warnings.catch_warnings(action="error", category=UserWarning):  # une option inconnue
            mongo: Any = AsyncIOMotorClient(url, journal=True, **limits)
        return mongo.get_default_database("chatroom")["chatroom"]
    except (PyMongoError, ValueError, TypeError, UserWarning) as error:
        # La raison de pymongo peut citer un morceau du mot de passe.
        why = "un mot de passe s'y écrit encodé en %" if "@" in url else error
        raise CannotStart(f"MONGO_URL n'est pas une adresse mongodb://… ({why}).", 2) from None
