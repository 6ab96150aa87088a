"""Les sessions, dans Redis : qui est là, jusqu'à quand, et à qui est chaque pseudo.

Ce qui ne doit avoir lieu qu'une fois est un script Lua : une réponse perdue, redis-py le renvoie.
"""

import hashlib
import re
from pathlib import Path
from typing import Any, NamedTuple

from redis.exceptions import RedisError
from websockets.asyncio.server import ServerConnection

from .members import Member
from .protocol import ROOM, is_position
from .text import Code, Pseudo, Refused

ONLINE, PSEUDOS = "{chatroom}:online", "{chatroom}:pseudos"
PRESENCE = 15  # secondes : sans nouvelles de son serveur, une session est déclarée partie


def script(name: str) -> str:
    return Path(__file__).with_name("lua").joinpath(f"{name}.lua").read_text("utf-8")


ENTER, SAY, LEAVE, RENEW = map(script, ("enter", "say", "leave", "renew"))


class Message(NamedTuple):
    """Le `number`-ième message d'une connexion."""

    member: Member
    number: int
    text: str


class Sessions:
    """Les sessions, vues d'un serveur."""

    def __init__(self, redis: Any, ttl: int):  # les réponses de redis-py ont trop de types
        self._redis, self._ttl = redis, ttl

    async def find(self, session: str) -> tuple[Pseudo, str]:
        """Rend le pseudo d'une session, et la connexion qui la tient ou la tenait ; lève Refused
        si elle est inconnue."""
        shown, folded, owner = await self._redis.hmget(key(session), "pseudo", "name", "owner")
        if shown and folded and owner:
            return Pseudo(shown, folded), owner
        raise Refused(Code.UNKNOWN_SESSION, "session inconnue ou expirée")

    async def enter(
        self, websocket: ServerConnection, session: str, pseudo: Pseudo, previous: str
    ) -> Member | None:
        """Fait entrer une session que tenait la connexion `previous` (« » : personne) ; rend None
        si une autre la tient maintenant, et lève Refused si le pseudo est pris."""
        owner, author = str(websocket.id), signature(session)
        server = "{}:{}".format(*websocket.local_address)
        keys = ROOM, ONLINE, PSEUDOS, key(session)
        member = session, previous, owner, pseudo.folded, pseudo.shown, author, server
        reply = await self._redis.eval(ENTER, len(keys), *keys, *member, self._ttl, PRESENCE)
        if reply == "taken":
            raise Refused(Code.PSEUDO_TAKEN, "ce pseudo est déjà pris, choisis-en un autre")
        if reply == "moved":
            return None
        position, entered = reply
        position = position if is_position(position) else entered
        return Member(websocket, session, owner, author, entered, position)

    async def write(self, said: list[Message], leaving: list[Member]) -> list[int | str]:
        """Ajoute des messages à la salle, puis des départs, en un seul envoi. Rend pour chaque
        message 0, ou le code qui ferme sa connexion, ou la raison de Redis."""
        pipeline = self._redis.pipeline(transaction=False)
        values: list[str | int] = []
        keys = [key(member.session) for member, _, _ in said]
        for member, number, text in said:
            values += member.session, member.owner, member.author, number, text
        pipeline.eval(SAY, 2 + len(keys), ROOM, ONLINE, *keys, *values)
        for member in leaving:
            pipeline.eval(*departure(member.session, member.owner))
        results, *_ = await pipeline.execute(raise_on_error=False)
        if isinstance(results, RedisError):
            results = [str(results)] * len(said)
        return [reason(one) if isinstance(one, str) else one for one in results]

    async def renew(self, members: list[Member], positions: list[str]) -> tuple[int, list[int]]:
        """Repousse l'échéance de ces membres, et note leur position (« » : l'ancienne reste). Rend
        l'heure de Redis, et pour chacun 0, ou le code qui le ferme."""
        values: list[str] = []
        keys = [key(member.session) for member in members]
        for member, position in zip(members, positions, strict=True):
            values += member.session, member.owner, position
        now, codes = await self._redis.eval(RENEW, 1 + len(keys), ONLINE, *keys, PRESENCE, *values)
        return now, codes

    async def sweep(self, now: int) -> None:
        """Fait partir les sessions dont l'échéance est passée : leur serveur ne répond plus."""
        for session in await self._redis.zrangebyscore(ONLINE, "-inf", now, start=0, num=1000):
            await self._redis.eval(*departure(session, ""))


def key(session: str) -> str:
    return f"{{chatroom}}:session:{session}"


def signature(session: str) -> str:
    """Rend ce qui signe les lignes d'une session sans la révéler."""
    return hashlib.sha256(session.encode()).hexdigest()[:16]


def departure(session: str, owner: str) -> tuple[str | int, ...]:
    """Rend l'ordre de noter un départ, si `owner` tient encore la session ou si elle est échue."""
    keys = ROOM, ONLINE, PSEUDOS, key(session)
    return LEAVE, len(keys), *keys, session, owner, signature(session)


def reason(error: object) -> str:
    """Rend la raison d'un refus de Redis, sur une ligne, sans ce que le script y ajoute."""
    added = r"Error running script .*?\): |@?user_script: ?\d+: -?| script: .*|\s+$"
    return re.sub(added, "", str(error))
