"""Ce qui attend de partir pour Redis : messages et départs s'en vont ensemble, d'un seul envoi."""

import asyncio

from websockets.asyncio.server import broadcast

from .members import Member, Members
from .room import BATCH
from .sessions import Message, Sessions

REST = 0.015  # secondes entre deux envois pleins


class Outbox:
    """La file vers Redis. Elle est courte : au-delà, les clients ne sont plus lus."""

    def __init__(self, sessions: Sessions, members: Members):
        self._sessions, self._members = sessions, members
        # Un message, ou un membre qui part et de quoi attendre que Redis l'ait vu.
        self._waiting: asyncio.Queue[Message | tuple[Member, asyncio.Event]] = asyncio.Queue(BATCH)

    async def say(self, member: Member, number: int, text: str) -> None:
        """Ajoute à la salle le `number`-ième message d'une connexion."""
        await self._waiting.put(Message(member, number, text))
        await asyncio.sleep(0)  # chacun son tour : sans cela, un bavard a fait attendre 3 s

    async def leave(self, member: Member) -> None:
        """Marque un départ, après les messages qui le précèdent ; attend que Redis l'ait vu."""
        noted = asyncio.Event()
        await self._waiting.put((member, noted))
        await noted.wait()

    async def send_all(self) -> None:
        """Envoie sans fin ce qui attend. Un message que Redis refuse est rendu à son auteur."""
        clock = asyncio.get_running_loop().time
        while True:
            waiting, began = [await self._waiting.get()], clock()
            while not self._waiting.empty():
                waiting.append(self._waiting.get_nowait())
            said = [one for one in waiting if isinstance(one, Message)]
            departures = [one for one in waiting if not isinstance(one, Message)]
            results = await self._sessions.write(said, [member for member, _ in departures])
            for message, result in zip(said, results, strict=True):
                if result:
                    self._give_back(message.member, result)
            for _, noted in departures:
                noted.set()
            if len(waiting) >= BATCH:  # que les lecteurs, même ailleurs, suivent les bavards
                await asyncio.sleep(began + REST - clock())

    def _give_back(self, member: Member, result: int | str) -> None:
        """Dit à son auteur qu'un message n'est pas passé."""
        if isinstance(result, str):
            broadcast([member.websocket], f"Erreur : Redis refuse ton message ({result})")
        else:
            broadcast([member.websocket], "Erreur : ta session n'est plus ici, message perdu")
            self._members.dismiss(member, result)
