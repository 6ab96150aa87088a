"""Copier le flux dans MongoDB, lot par lot, avec les autres serveurs.

Un document par message, dont l'_id est celui du flux : un lot copié deux fois se remplace lui-même.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC
from functools import partial
from typing import Any

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError
from redis.exceptions import RedisError

from .logs import log, warn_once
from .protocol import Entry, moment, order
from .stream import COPY_BATCH, Page, Stream

REST = 0.5  # secondes entre deux copies
RETRY = 1  # seconde avant de redemander à un MongoDB muet
TAKEOVER = 30  # secondes : une copie commencée depuis si longtemps est reprise par un autre serveur
IDLE = 5  # secondes sans rien copier avant de regarder si MongoDB est toujours là
# Les refus qui tiennent à l'état de MongoDB ; les autres tiennent au document, pour toujours.
PASSING = {6, 7, 24, 46, 50, 89, 91, 112, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 14031}


class Archive:
    """La copie du flux dans une collection."""

    def __init__(self, stream: Stream, messages: Any):
        self._stream, self._messages = stream, messages
        self._clock = asyncio.get_running_loop().time
        self._looked = self._answered = self._clock()

    async def copy_all(self) -> None:
        """Copie sans fin. Si le serveur meurt avant d'acquitter un lot, un autre le recopie."""
        await self._insist(self._create_index)
        while True:
            ids: list[str] = []
            try:
                ids, entries = await self._next_page()
                said = [entry for entry in entries if entry.kind == "say"]
                if said:
                    await self._insist(partial(self._write, said))
                elif self._clock() - self._answered > IDLE:
                    await self._insist(lambda: self._messages.database.command("ping"))
                await self._stream.acknowledge(ids)
            except RedisError as error:  # ce lot sera copié une seconde fois
                if "NOGROUP" in str(error):  # pas encore, ou plus si Redis a tout perdu
                    await self._stream.create_group()
                else:
                    warn_once("Redis refuse la copie vers MongoDB (%s) : nouvel essai", error)
            if len(ids) < COPY_BATCH:
                await asyncio.sleep(REST)

    async def _next_page(self) -> Page:
        """Rend la suite à copier : parfois, ce qu'un autre serveur a laissé."""
        if self._clock() - self._looked <= TAKEOVER:
            return await self._stream.fresh()
        page = await self._stream.abandoned(TAKEOVER)
        if len(page.ids) < COPY_BATCH:
            self._looked = self._clock()
        return page

    async def _insist(self, action: Callable[[], Awaitable[object]]) -> None:
        """Demande une action à MongoDB jusqu'à ce qu'elle réussisse ; ne se plaint qu'une fois."""
        complained = False
        while True:
            try:
                await action()
                break
            except PyMongoError as error:
                if not complained:
                    verb = "ne répond pas" if isinstance(error, ConnectionFailure) else "refuse"
                    log.warning("MongoDB %s (%s) : les messages attendent", verb, reason(error))
                complained = True
            await asyncio.sleep(RETRY)
        self._answered = self._clock()
        if complained:
            log.info("MongoDB est de retour")

    async def _create_index(self) -> None:
        with suppress(OperationFailure):  # il y a déjà un autre index sur « order »
            await self._messages.create_index("order")

    async def _write(self, said: list[Entry]) -> None:
        """Écrit des messages ; met de côté, en le nommant, ce que MongoDB refuse pour toujours."""
        documents = [document(entry) for entry in said]
        replacements = [ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in documents]
        try:
            await self._messages.bulk_write(replacements, ordered=False)
        except BulkWriteError as error:
            refused = error.details["writeErrors"]
            passing = [one for one in refused if one["code"] in PASSING]
            if passing := passing + error.details["writeConcernErrors"]:
                raise OperationFailure(passing[0]["errmsg"]) from None
            for one in refused:
                sentence = "MongoDB refuse le message %s de %s (%s) : l'historique sera sans lui"
                entry = said[one["index"]]
                log.warning(sentence, entry.id, entry.pseudo, one["errmsg"])


def document(entry: Entry) -> dict[str, Any]:
    """Rend ce que MongoDB garde d'un message."""
    kept = {"_id": entry.id, "order": order(entry.id), "pseudo": entry.pseudo}
    return kept | {"text": entry.text, "date": moment(entry.id, UTC)}


def reason(error: PyMongoError) -> str:
    """Rend la raison que donne MongoDB, sans les réglages du pilote qui la suivent."""
    return re.split(r" \(configured timeouts|, Timeout: |, full error: ", str(error))[0]
