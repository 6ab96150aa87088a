"""Donner des nouvelles des sessions de ce serveur, et faire partir celles des serveurs muets."""

import asyncio

from redis.exceptions import RedisError

from .logs import warn_once
from .members import Members
from .room import Room
from .sessions import PRESENCE, Sessions, reason
from .text import Code

RENEWAL = 5  # secondes entre deux nouvelles


async def keep_presence(sessions: Sessions, members: Members, room: Room) -> None:
    """Sans elle, les clients d'un serveur tué net resteraient affichés présents pour toujours.

    Après une panne de Redis, chaque serveur donne d'abord des nouvelles, et ne fait partir
    personne avant PRESENCE secondes : sinon le premier de retour évincerait tous les autres.
    """
    last, grace = await sessions.time(), 0
    while True:
        await asyncio.sleep(RENEWAL)
        try:
            now = await sessions.time()  # d'abord : après une panne, les nouvelles suivent aussitôt
            await renew(sessions, members, room)
            if now - last > 1.5 * RENEWAL:
                grace = now + PRESENCE
            if now >= grace:
                await sessions.sweep(now)
            last = now
        except RedisError as error:
            warn_once("Redis refuse les nouvelles des présents (%s) : nouvel essai", reason(error))


async def renew(sessions: Sessions, members: Members, room: Room) -> None:
    """Repousse l'échéance de chaque membre ; écarte ceux qui ne tiennent plus leur session.

    Qui n'a pas fini de recevoir son retard garde la position d'où il l'a repris.
    """
    present = list(members.present.values())
    positions = [room.position if one.websocket in members.live else "" for one in present]
    codes = await sessions.renew(present, positions)
    for member, code in zip(present, codes, strict=True):
        if code == Code.SILENT:
            members.dismiss(member, Code.SILENT, "session expirée, reviens")
        elif code:
            members.dismiss(member, Code(code), "session reprise ailleurs")
