"""Donner des nouvelles des sessions de ce serveur, et faire partir celles des serveurs muets."""

import asyncio

from redis.exceptions import RedisError

from .logs import warn_once
from .members import Members
from .room import Room
from .sessions import PRESENCE, Sessions, reason

RENEWAL = 5  # secondes entre deux nouvelles


async def keep_presence(sessions: Sessions, members: Members, room: Room) -> None:
    """Sans elle, les clients d'un serveur tué resteraient présents pour toujours. Après une panne
    de Redis, nul ne part avant PRESENCE secondes : le premier revenu évincerait les autres."""
    clock = asyncio.get_running_loop().time
    last, grace = clock(), 0
    while True:
        await asyncio.sleep(RENEWAL)
        present = list(members.present.values())
        # Qui n'a pas fini de recevoir son retard garde la position d'où il l'a repris.
        positions = [room.position if one.websocket in members.live else "" for one in present]
        try:
            now, codes = await sessions.renew(present, positions)
            for member, code in zip(present, codes, strict=True):
                if code:
                    members.dismiss(member, code)
            if clock() - last > 1.5 * RENEWAL:
                grace = now + PRESENCE
            if now >= grace:
                await sessions.sweep(now)
            last = clock()
        except RedisError as error:
            warn_once("Redis refuse les nouvelles des présents (%s) : nouvel essai", reason(error))
