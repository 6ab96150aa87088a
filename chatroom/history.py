"""L'historique : copier le stream dans MongoDB avec les autres serveurs, et l'offrir à qui arrive.

Un document par message, avec l'_id du stream : un lot copié deux fois se remplace lui-même.
"""

import asyncio
import re
from contextlib import suppress
from datetime import UTC
from typing import Any

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError
from redis.exceptions import RedisError, ResponseError

from .logs import log, warn_once
from .protocol import ROOM, Entry, announcement, moment, order, read_page
from .sessions import script

GROUP = "history"  # le groupe, dans le stream, qui retient ce qui est copié
CONSUMER = "servers"  # tous les serveurs à la fois : chacun reprend ce qu'un autre a laissé
CLAIM = script("claim")
BATCH = 500  # entrées copiées d'un coup
HISTORY = 20  # messages offerts à qui arrive
DELAY = 1  # seconde laissée à MongoDB pour les donner
REST = 0.5  # secondes entre deux copies
TAKEOVER = 30  # secondes : une copie commencée depuis si longtemps est reprise par un autre serveur
IDLE = 5  # secondes sans rien copier avant de regarder si MongoDB est toujours là
# Les refus qui tiennent à l'état de MongoDB ; les autres tiennent au document, pour toujours.
PASSING = {6, 7, 24, 46, 50, 89, 91, 112, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 14031}


class History:
    """Les messages : MongoDB a ceux qui sont copiés, le stream les autres."""

    def __init__(self, redis: Any, messages: Any):
        self._redis, self._messages = redis, messages
        self._clock = asyncio.get_running_loop().time
        self._looked = self._clock()  # quand on a repris ce qu'un autre serveur a laissé

    async def until(self, position: str) -> list[str]:
        """Rend les lignes des derniers messages jusqu'à une position. La limite entre les deux
        sources se lit d'abord : ce qui se copie entre-temps vient des deux, jamais d'aucune."""
        found: list[Entry] = []
        limit, warning = await self._limit(), []
        try:
            async with asyncio.timeout(DELAY):
                found = await self._copied(position)
        except (PyMongoError, TimeoutError):
            limit, warning = "-", [announcement("historique incomplet, MongoDB ne répond pas")]
        found += await self._last_said(position, limit)
        latest = sorted({entry.id: entry for entry in found}.values(), key=lambda e: order(e.id))
        return [entry.line() for entry in latest[-HISTORY:]] + warning

    async def _limit(self) -> str:
        """Rend l'id avant lequel tout est dans MongoDB (« - », le début, si rien n'y est)."""
        for group in await self._redis.xinfo_groups(ROOM):
            if group["name"] == GROUP:
                pending = await self._redis.xpending(ROOM, GROUP)
                return str(pending["min"] or group["last-delivered-id"])
        return "-"

    async def _last_said(self, newest: str, oldest: str) -> list[Entry]:
        """Rend les derniers messages que le stream a entre deux ids inclus."""
        said: list[Entry] = []
        while True:
            raw = await self._redis.xrevrange(ROOM, newest, oldest, count=1000)
            said += [entry for entry in read_page(raw)[1] if entry.kind == "say"]
            if len(raw) < 1000 or len(said) >= HISTORY:
                return said
            newest = f"({raw[-1][0]}"

    async def _copied(self, position: str) -> list[Entry]:
        """Rend les derniers messages que MongoDB a, jusqu'à une position."""
        cursor = self._messages.find({"order": {"$lte": order(position)}}, ("pseudo", "text"))
        documents = await cursor.sort("order", -1).limit(HISTORY).to_list(HISTORY)
        entries = (Entry.parse(one["_id"], one | {"kind": "say"}) for one in documents)
        return [entry for entry in entries if entry]

    async def copy_all(self) -> None:
        """Copie sans fin ; un lot qui n'est pas acquitté sera copié encore, ici ou ailleurs."""
        page, look, complained = None, 0.0, False
        while True:
            more = False
            try:
                ids, entries = page = page or await self._next_page()
                if self._clock() >= look:  # l'index, sans lequel lire traînerait, dit s'il est là
                    with suppress(OperationFailure):  # il y a déjà un autre index sur « order »
                        await self._messages.create_index("order")
                    look = self._clock() + IDLE
                if said := [entry for entry in entries if entry.kind == "say"]:
                    await self._write(said)
                if complained:
                    log.info("MongoDB est de retour")
                    complained = False
                if ids:
                    await self._redis.xack(ROOM, GROUP, *ids)
                page, more = None, len(ids) == BATCH
            except PyMongoError as error:
                if not complained:
                    verb = "ne répond pas" if isinstance(error, ConnectionFailure) else "refuse"
                    log.warning("MongoDB %s (%s) : les messages attendent", verb, reason(error))
                complained = True
            except RedisError as error:
                if "NOGROUP" in str(error):  # pas encore, ou plus si Redis a tout perdu
                    with suppress(ResponseError):  # un autre serveur l'a créé entre-temps
                        await self._redis.xgroup_create(ROOM, GROUP, "0", mkstream=True)
                else:
                    warn_once("Redis refuse la copie vers MongoDB (%s) : nouvel essai", error)
            if not more:
                await asyncio.sleep(REST)

    async def _next_page(self) -> tuple[list[str], list[Entry]]:
        """Rend la suite à copier. Chaque entrée lue va à un seul serveur ; celles dont la copie a
        commencé il y a TAKEOVER secondes y reviennent : il est mort, figé ou sans MongoDB."""
        if self._clock() - self._looked <= TAKEOVER:
            reply = await self._redis.xreadgroup(GROUP, CONSUMER, {ROOM: ">"}, count=BATCH)
            return read_page(reply[0][1] if reply else ())
        arguments = GROUP, CONSUMER, TAKEOVER * 1000, BATCH
        left, gone = await self._redis.eval(CLAIM, 1, ROOM, *arguments)
        if len(left) < BATCH:
            self._looked = self._clock()
        if gone:
            log.warning("%d entrée(s) sorties du stream avant d'être copiées : perdues", gone)
        return read_page((one, dict(zip(*[iter(pairs)] * 2, strict=True))) for one, pairs in left)

    async def _write(self, said: list[Entry]) -> None:
        """Écrit des messages ; met de côté, en le nommant, ce que MongoDB refuse pour toujours."""
        try:
            await self._messages.bulk_write(list(map(replacement, said)), ordered=False)
        except BulkWriteError as error:
            refused = error.details["writeErrors"]
            passing = [one for one in refused if one["code"] in PASSING]
            if passing := passing + error.details["writeConcernErrors"]:
                raise OperationFailure(passing[0]["errmsg"]) from None
            for one in refused:
                sentence = "MongoDB refuse le message %s de %s (%s) : l'historique sera sans lui"
                entry = said[one["index"]]
                log.warning(sentence, entry.id, entry.pseudo, one["errmsg"])


def replacement(entry: Entry) -> ReplaceOne[dict[str, Any]]:
    """Rend l'écriture d'un message dans MongoDB."""
    document = {"_id": entry.id, "order": order(entry.id), "date": moment(entry.id, UTC)}
    document |= {"pseudo": entry.pseudo, "text": entry.text}
    return ReplaceOne({"_id": entry.id}, document, upsert=True)


def reason(error: PyMongoError) -> str:
    """Rend la raison que donne MongoDB, sans les réglages du pilote qui la suivent."""
    return re.split(r" \(configured timeouts|, Timeout: |, full error: ", str(error))[0]
