"""La vie d'une connexion : se présenter, rattraper la salle, parler, partir."""

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass

from redis.exceptions import RedisError
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from .history import History
from .logs import log, warn_once
from .members import Member, Members, part
from .outbox import Outbox
from .room import Room
from .sessions import Sessions, reason
from .text import MAX_MESSAGE, Code, Refused, clean_message, clean_pseudo

HELLO_DELAY = 10  # secondes pour se présenter
NOT_TEXT = "seul le texte est accepté"


@dataclass(frozen=True)
class Chatroom:
    """Tout ce qu'une connexion traverse."""

    sessions: Sessions
    members: Members
    room: Room
    history: History
    outbox: Outbox

    async def chat(self, websocket: ServerConnection) -> None:
        """Accueille une connexion, porte ses messages à la salle, annonce son départ."""
        refusal = None
        try:
            verb, text = await first_frame(websocket)
            member, greeting = await self._arrive(websocket, verb, text)
            self.members.present[member.owner] = member
            try:
                await self._live(member, greeting)
            finally:
                await self._leave(member)
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
        """Fait entrer un nouveau venu, ou revenir une session ; rend aussi la phrase d'accueil.

        Si un autre retour passe entre la lecture et l'entrée, il faut relire qui tient la session ;
        et un retour déjà coupé ne prend la place de personne.
        """
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

    async def _live(self, member: Member, greeting: str) -> None:
        with suppress(ConnectionClosed):  # déjà reparti : ce qu'il a dit passe quand même
            await member.websocket.send(greeting)
            if greeting.startswith("ID|"):
                member.position = self.room.position
                if lines := await self.history.until(member.position):
                    await member.websocket.send("\n".join(lines))
            await self.room.catch_up(member)
        await self._relay(member)

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

    async def _leave(self, member: Member) -> None:
        """Note un départ ; sauf si le serveur s'arrête sans plus attendre Redis."""
        task = asyncio.current_task()
        if task and not task.cancelling():
            await self.outbox.leave(member)
        self.members.remove(member)


async def first_frame(websocket: ServerConnection) -> tuple[str, str]:
    """Rend le verbe de la première trame et ce qui suit ; lève Refused si ce n'est pas l'usage."""
    try:
        async with asyncio.timeout(HELLO_DELAY):
            frame = await websocket.recv()
    except TimeoutError:
        late = f"rien reçu en {HELLO_DELAY} s, présente-toi par Hello|"
        raise Refused(Code.REFUSED, late) from None
    if isinstance(frame, bytes):
        raise Refused(Code.NOT_TEXT, NOT_TEXT)
    verb, bar, text = frame.partition("|")
    if verb not in ("Hello", "ID") or not bar:
        raise Refused(Code.REFUSED, "commence par Hello|<pseudo> ou ID|<session>")
    return verb, text
