"""Ouvrir Redis et MongoDB."""

import asyncio
import warnings
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import PyMongoError
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff, ExponentialBackoff, NoBackoff

from .options import CannotStart

CONNECTIONS = 4
COMMON: dict[str, Any] = {
    "protocol": 2,
    "decode_responses": True,
    "encoding_errors": "replace",  # un inconnu peut écrire des octets qui ne sont pas du texte
}


def patient_redis(url: str) -> Redis:
    """Rend un client de Redis qui insiste sans fin.

    Il n'ouvre que quelques connexions, que les clients de la salle se partagent : avec une par
    client, Redis finirait par les refuser.
    """
    retry = Retry(ExponentialBackoff(cap=1, base=0.05), -1)
    pool = BlockingConnectionPool.from_url(
        url, max_connections=CONNECTIONS, timeout=None, socket_timeout=5, retry=retry, **COMMON
    )
    return Redis.from_pool(pool)


async def open_all(patient: Redis) -> None:
    """Ouvre d'avance toutes ses connexions : quand les descripteurs manquent, il est trop tard."""
    await asyncio.gather(*(patient.time() for _ in range(CONNECTIONS)))


def hasty_redis(url: str) -> Redis:
    """Rend un client de Redis qui renonce vite, pour dire qu'il ne répond plus."""
    retry = Retry(ConstantBackoff(0.5), 1)
    return Redis.from_url(url, socket_timeout=4, retry=retry, **COMMON)


def curious_redis(url: str) -> Redis:
    """Rend un client de Redis qui ne demande qu'une fois, et n'attend guère."""
    once = Retry(NoBackoff(), 0)
    return Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2, retry=once, **COMMON)


def open_messages(url: str) -> Any:
    """Rend la collection des messages. MongoDB n'a pas besoin d'être là : on l'attendra.

    Une écriture ne compte que notée dans son journal. Le successeur de motor s'écrirait
    AsyncMongoClient(url, ...), importé de pymongo, avec `await` devant close().
    """
    limits: dict[str, Any] = {"serverSelectionTimeoutMS": 1000, "socketTimeoutMS": 5000}
    try:
        with warnings.catch_warnings(action="error", category=UserWarning):  # une option inconnue
            mongo: Any = AsyncIOMotorClient(url, journal=True, **limits)
        return mongo.get_default_database("chatroom")["chatroom"]
    except (PyMongoError, ValueError, TypeError, UserWarning) as error:
        # La raison de pymongo peut citer un morceau du mot de passe.
        why = "un mot de passe s'y écrit encodé en %" if "@" in url else error
        raise CannotStart(f"MONGO_URL n'est pas une adresse mongodb://… ({why}).", 2) from None
