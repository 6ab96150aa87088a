"""Ce qui attend de partir pour Redis : les messages et les départs de ce serveur.

Cent personnes qui parlent à la fois paieraient cent allers-retours ; ici tout ce qui attend part
d'un seul envoi.
"""

import asyncio
from typing import NamedTuple

from websockets.asyncio.server import broadcast

from .members import Member, Members
from .sessions import Message, Sessions
from .stream import BATCH
from .text import Code

REST = 0.015  # secondes entre deux envois pleins


class Departure(NamedTuple):
    """Un départ, et de quoi attendre que Redis l'ait vu."""

    member: Member
    seen: asyncio.Event


class Outbox:
    """La file vers Redis. Elle est courte : au-delà, les clients ne sont plus lus."""

    def __init__(self, sessions: Sessions, members: Members):
        self._sessions, self._members = sessions, members
        self._waiting: asyncio.Queue[Message | Departure] = asyncio.Queue(BATCH)

    async def say(self, member: Member, number: int, text: str) -> None:
        """Ajoute à la salle le `number`-ième message d'une connexion.

        Si le serveur meurt avant l'envoi, il n'est passé à personne ; après, il passera à tous.
        """
        await self._waiting.put(Message(member, number, text))
        await asyncio.sleep(0)  # chacun son tour : sans cela, un bavard a fait attendre 3 s

    async def leave(self, member: Member) -> None:
        """Marque le départ d'une connexion, et libère son pseudo si elle tient encore la session.

        Il suit les messages qu'elle a laissés. Si le serveur meurt avant, l'échéance fera partir.
        """
        departure = Departure(member, asyncio.Event())
        await self._waiting.put(departure)
        await departure.seen.wait()

    async def send_all(self) -> None:
        """Envoie sans fin ce qui attend. Un message que Redis refuse est rendu à son auteur."""
        clock = asyncio.get_running_loop().time
        while True:
            waiting, began = [await self._waiting.get()], clock()
            while not self._waiting.empty():
                waiting.append(self._waiting.get_nowait())
            messages = [one for one in waiting if isinstance(one, Message)]
            departures = [one for one in waiting if isinstance(one, Departure)]
            leaving = [departure.member for departure in departures]
            results = await self._sessions.write(messages, leaving)
            for message, result in zip(messages, results, strict=True):
                if result:
                    self._give_back(message.member, result)
            for departure in departures:
                departure.seen.set()
            if (
                len(waiting) >= BATCH
            ):  # que les lecteurs, même ailleurs, puissent suivre les bavards
                await asyncio.sleep(began + REST - clock())

    def _give_back(self, member: Member, result: int | str) -> None:
        """Dit à son auteur qu'un message n'est pas passé."""
        if isinstance(result, str):
            broadcast([member.websocket], f"Erreur : Redis refuse ton message ({result})")
        else:
            reason = "ta session n'est plus ici, ce message n'est pas passé"
            broadcast([member.websocket], f"Erreur : {reason}")
            self._members.dismiss(member, Code(result), reason)
