"""Demander à Redis, avant d'écouter, tout ce que la chatroom lui demandera."""

import asyncio
from typing import Any

from redis.exceptions import RedisError

from .options import CannotStart, place
from .sessions import ONLINE, PSEUDOS, key, reason, script
from .stream import CONSUMER, GROUP, ROOM

DELAY = 4  # secondes laissées à Redis pour répondre
NOBODY = key("?")  # la session de personne, le temps de l'essai
HARMLESS: tuple[tuple[Any, ...], ...] = (  # chaque commande, et de quoi la lancer sans effet
    ("TIME",),
    ("XGROUP CREATE", ROOM, GROUP, "0", "MKSTREAM"),
    ("XREAD", "COUNT", 1, "STREAMS", ROOM, "$"),
    ("XRANGE", ROOM, "(0", "1"),
    ("XREVRANGE", ROOM, "1", "0"),
    ("XREADGROUP", "GROUP", GROUP, CONSUMER, "COUNT", 1, "STREAMS", ROOM, "0"),
    ("XAUTOCLAIM", ROOM, GROUP, CONSUMER, 10**12, "0", "COUNT", 1),
    ("XACK", ROOM, GROUP, "0-0"),
    ("XPENDING", ROOM, GROUP),
    ("XINFO GROUPS", ROOM),
    ("HMGET", NOBODY, "?"),
    ("ZRANGEBYSCORE", ONLINE, "-inf", "0"),
    ("EVAL", script("probe"), 4, ROOM, ONLINE, PSEUDOS, NOBODY),
)


async def probe(redis: Any, url: str) -> None:
    """Lève CannotStart si Redis ne répond pas, est trop vieux, interdit quelque chose, ou si une de
    nos clés y sert déjà à autre chose. Plein ou en lecture seule, il convient : cela passera."""
    pipeline = redis.pipeline(transaction=False)
    for command in HARMLESS:
        pipeline.execute_command(*command)
    try:
        async with asyncio.timeout(DELAY):
            replies = await pipeline.execute(raise_on_error=False)
    except (RedisError, OSError, TimeoutError, ValueError) as error:
        raise CannotStart(
            f"Redis ne répond pas à {place(url)} ({error or 'aucune réponse'}) : lance « python"
            " databases.py » dans un autre terminal, ou corrige REDIS_URL."
        ) from None
    for (command, *arguments), reply in zip(HARMLESS, replies, strict=True):
        if isinstance(reply, RedisError):
            keys = [one for one in arguments if str(one).startswith("{chatroom}")]
            check(" ".join([command, *keys]), f"{type(reply).__name__} : {reply}")
    for refusal in replies[-1] if isinstance(replies[-1], list) else ():
        check(*refusal.split("|", 1))


def check(command: str, error: str) -> None:
    """Lève CannotStart si Redis a refusé cette commande pour de bon."""
    ours = "donne à son utilisateur les clés {chatroom}:* et cette commande"
    causes = {
        "unknown": "il faut Redis 6.2 ou plus récent, ou Valkey, sans commande renommée",
        "WRONGTYPE": "cette clé y sert déjà à autre chose, efface-la ou change de base",
        "permission": ours,
        "ACL failure": ours,
        "executing the script": ours,  # Redis 6.2
        "MovedError": "indique le nœud de la grappe qui tient les clés {chatroom}:*",
    }
    for cause, cure in causes.items():
        if cause.lower() in error.lower():
            raise CannotStart(f"Redis refuse {command} ({reason(error)}) : {cure}.")
