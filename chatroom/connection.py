"""La vie d'une connexion : se présenter, rattraper la salle, parler, partir."""

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from redis.exceptions import RedisError
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from .history import History
from .logs import log, warn_once
from .members import Member, Members, part
from .outbox import Outbox
from .room import Room
from .sessions import Sessions, reason
from .text import MAX_MESSAGE, Code, Refused, clean_message, clean_pseudo

LAST = 2**31  # Windows ne compte pas ainsi
with suppress(ImportError):
    from resource import RLIMIT_NOFILE, getrlimit

    LAST = getrlimit(RLIMIT_NOFILE)[0] - 64  # le reste : pour les bases, et pour refuser poliment
HELLO_DELAY = 10  # secondes pour se présenter
HEALTH_DELAY = 2  # secondes laissées à Redis pour dire qu'il est là
NOT_TEXT = "seul le texte est accepté"


@dataclass(frozen=True)
class Chatroom:
    """Tout ce qu'une connexion traverse."""

    redis: Any  # qui ne sert ici qu'à dire s'il répond
    sessions: Sessions
    members: Members
    room: Room
    history: History
    outbox: Outbox

    async def admit(self, websocket: ServerConnection, request: Request) -> Response | None:
        """Répond à /health, refuse quand c'est plein, laisse passer les autres."""
        if request.path.partition("?")[0] == "/health":
            try:
                async with asyncio.timeout(HEALTH_DELAY):
                    await self.redis.ping()
                return websocket.respond(HTTPStatus.OK, "OK\n")
            except (RedisError, OSError) as error:
                refusal = f"Redis ne répond pas : {str(error) or 'aucune réponse'}\n"
        # Le système donne toujours le plus petit numéro libre : celui-ci dit combien sont pris.
        elif websocket.transport.get_extra_info("socket").fileno() > LAST:
            refusal = "La chatroom est pleine.\n"
        else:
            return None
        return websocket.respond(HTTPStatus.SERVICE_UNAVAILABLE, refusal)

    async def chat(self, websocket: ServerConnection) -> None:
        """Accueille une connexion, porte ses messages à la salle, annonce son départ."""
        refusal = None
        for handshake in websocket.request, websocket.response:
            if handshake:
                handshake.headers.clear()  # lus, ils ne servent plus : 3 Kio par personne
        try:
            member, greeting = await self._arrive(websocket, *await first_frame(websocket))
            self.members.present[member.owner] = member
            try:
                with suppress(ConnectionClosed):  # ce qu'il a dit avant de repartir passe aussi
                    await self._welcome(member, greeting)
                await self._relay(member)
            finally:
                await self.outbox.leave(member)
                self.members.remove(member)
        except ConnectionClosed:
            pass  # un départ brutal est un départ comme un autre
        except Refused as error:
            refusal = error
        except RedisError as error:
            warn_once("Redis refuse une arrivée (%s)", reason(error))
            refusal = Refused(Code.LATER, "Redis refuse d'écrire, réessaie plus tard")
        except Exception:
            log.exception("défaut du serveur : une connexion se ferme")
            raise
        if refusal:
            broadcast([websocket], f"Erreur : {refusal}")
            await part(websocket, refusal.code, str(refusal))

    async def _arrive(
        self, websocket: ServerConnection, verb: str, text: str
    ) -> tuple[Member, str]:
        """Fait entrer un nouveau venu, ou revenir une session ; rend aussi la phrase d'accueil. Si
        un autre retour passe entre-temps on relit, et un retour coupé ne prend aucune place."""
        member, session, previous = None, text, ""
        if verb == "Hello":
            pseudo, session = clean_pseudo(text), secrets.token_urlsafe(16)
        while not member:
            if verb == "ID":
                pseudo, previous = await self.sessions.find(session)
            if websocket.state is not State.OPEN:
                raise Refused(Code.TAKEN_OVER, "session reprise ailleurs")
            member = await self.sessions.enter(websocket, session, pseudo, previous)
        return member, f"Welcome back {pseudo.shown} !" if previous else f"ID|{session}"

    async def _welcome(self, member: Member, greeting: str) -> None:
        """Accueille un membre, lui donne l'historique ou ce qu'il a manqué, puis le direct."""
        await member.websocket.send(greeting)
        if greeting.startswith("ID|"):
            member.position = self.room.position
            if lines := await self.history.until(member.position):
                await member.websocket.send("\n".join(lines))
        await self.room.catch_up(member)

    async def _relay(self, member: Member) -> None:
        """Porte à la salle chaque message d'une connexion, jusqu'à son départ."""
        number = 0
        async for message in member.websocket:
            if isinstance(message, bytes):
                raise Refused(Code.NOT_TEXT, NOT_TEXT)
            text = clean_message(message)
            if not message:  # un navigateur ne sait pas envoyer de ping : voici le pong
                broadcast([member.websocket], "")
            elif len(text) > MAX_MESSAGE:
                count = f"{len(text)} caractères, {MAX_MESSAGE} au plus"
                broadcast([member.websocket], f"Erreur : message trop long ({count})")
            elif text:
                number += 1
                await self.outbox.say(member, number, text)


async def first_frame(websocket: ServerConnection) -> tuple[str, str]:
    """Rend le verbe de la première trame et ce qui suit ; lève Refused si ce n'est pas l'usage."""
    try:
        async with asyncio.timeout(HELLO_DELAY):
            frame = await websocket.recv()
    except TimeoutError:
        raise Refused(Code.REFUSED, f"rien reçu en {HELLO_DELAY} s : dis Hello|") from None
    if isinstance(frame, bytes):
        raise Refused(Code.NOT_TEXT, NOT_TEXT)
    verb, bar, text = frame.partition("|")
    if verb not in ("Hello", "ID") or not bar:
        raise Refused(Code.REFUSED, "commence par Hello|<pseudo> ou ID|<session>")
    return verb, text
