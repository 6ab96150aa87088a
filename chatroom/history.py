"""Ce qu'un nouveau venu reçoit d'abord : les derniers messages, puis la suite, sans trou."""

import asyncio
from typing import Any

from pymongo.errors import PyMongoError

from .protocol import Entry, announcement, order
from .stream import Stream

HISTORY = 20  # messages
DELAY = 1  # seconde laissée à MongoDB pour les donner


class History:
    """Les derniers messages : MongoDB a ce qui est copié, le flux complète."""

    def __init__(self, stream: Stream, messages: Any):
        self._stream, self._messages = stream, messages

    async def until(self, position: str) -> list[str]:
        """Rend les lignes des derniers messages jusqu'à une position.

        La limite entre les deux sources se lit en premier : ce qui se copie pendant ce temps vient
        alors des deux à la fois, jamais d'aucune.
        """
        found: list[Entry] = []
        limit, warning = await self._stream.copied_position(), []
        try:
            async with asyncio.timeout(DELAY):
                found = await self._copied(position)
        except (PyMongoError, TimeoutError):
            limit, warning = "-", [announcement("historique incomplet, MongoDB ne répond pas")]
        found += await self._stream.last_said(position, limit, HISTORY)
        latest = sorted({entry.id: entry for entry in found}.values(), key=lambda e: order(e.id))
        return [entry.line() for entry in latest[-HISTORY:]] + warning

    async def _copied(self, position: str) -> list[Entry]:
        """Rend les derniers messages que MongoDB a, jusqu'à une position."""
        cursor = self._messages.find({"order": {"$lte": order(position)}}, ("pseudo", "text"))
        documents = await cursor.sort("order", -1).limit(HISTORY).to_list(HISTORY)
        entries = (Entry.parse(one["_id"], one | {"kind": "say"}) for one in documents)
        return [entry for entry in entries if entry]
