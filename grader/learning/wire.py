"""Le fil : un client et un faux serveur WebSocket qui gardent tout ce qui passe."""

import asyncio
import base64
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.typing import Subprotocol

from grader.clock import patience, still, until
from grader.running.bounds import ENVELOPE, FRAMES
from grader.running.enclosure import current
from grader.running.network import dial
from grader.running.program import ANSI

Frame = str | bytes
Gate = Callable[[Frame], Awaitable[None]]
STANDARD_HEADERS = {
    "host", "upgrade", "connection", "origin", "user-agent", "pragma", "cache-control",
    "accept-encoding", "accept-language", "cookie", "sec-websocket-key", "sec-websocket-version",
    "sec-websocket-extensions", "sec-websocket-protocol",
}  # fmt: skip


def text_of(frame: Frame) -> str:
    """Ce qu'un lecteur comprend d'un message : octets décodés, couleurs ôtées, JSON déplié."""
    text = frame.decode("utf-8", "replace") if isinstance(frame, bytes) else frame
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)
    # Les deux moitiés d'un caractère se rejoignent ; une moitié seule ne s'écrirait nulle part.
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    inside = unwrap(text)
    return ANSI.sub("", f"{text} ({inside})" if inside else text)


def unwrap(text: str) -> str:
    """Le texte qu'un message en base64 emballe, ou ""."""
    try:
        inside = base64.b64decode(text, validate=True).decode("utf-8")
    except ValueError:
        return ""
    return inside if inside.isprintable() else ""


def mentions(frame: Frame, word: str) -> bool:
    """Vrai si le message contient ce mot, sans égard aux majuscules."""
    return word.casefold() in text_of(frame).casefold()


class Listener(ABC):
    """Quelqu'un dans une conversation : ce qui lui arrive, dans l'ordre."""

    @abstractmethod
    def after(self, mark: int) -> Sequence[Frame]:
        """Ce qui est arrivé depuis `mark`."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Vrai si plus rien n'arrivera."""

    @property
    def mark(self) -> int:
        """Où l'on en est, pour ne regarder ensuite que ce qui suit."""
        return len(self.after(0))

    async def wait(self, word: str, seconds: float, mark: int = 0) -> Frame | None:
        """Le premier message arrivé depuis `mark` qui contient `word`, ou None."""

        def search() -> Frame | None:
            return next((frame for frame in self.after(mark) if mentions(frame, word)), None)

        await until(lambda: search() is not None or self.closed, seconds)
        return search()

    async def settle(self, silence: float = 0.15, longest: float = 1.5) -> None:
        """Attend qu'il n'arrive plus rien depuis `silence` secondes."""
        await still(lambda: self.mark, silence * patience(), longest)


class Counted:
    """Une connexion qui s'arrête dès que le rendu y a trop dit.

    Un message vide et un ping, que personne ne lit, comptent aussi : ils prennent du temps.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._enclosure = current()

    def process_event(self, event: Any) -> None:
        if self._enclosure.receives(len(getattr(event, "data", b"")) + ENVELOPE):
            super().process_event(event)  # type: ignore[misc]
        else:
            self.transport.abort()  # type: ignore[attr-defined]


class CountedClient(Counted, ClientConnection): ...


class CountedServer(Counted, ServerConnection): ...


class Link(Listener):
    """Une connexion ouverte par le correcteur ; `frames` grandit à mesure qu'elle reçoit."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self._socket: ClientConnection | None = None

    async def open(
        self, url: str, headers: dict[str, str] | None = None, protocols: Sequence[str] = ()
    ) -> Self:
        """Ouvre ; lève l'une des erreurs REFUSED si le serveur ne veut pas."""
        place = urlsplit(url)
        self._socket = await connect(
            url,
            sock=await dial(current().network, place.hostname or "", place.port or 80),
            create_connection=CountedClient,
            additional_headers=headers or None,
            subprotocols=[Subprotocol(name) for name in protocols] or None,
            open_timeout=8 * patience(),
            close_timeout=1,
            ping_interval=None,
            max_size=FRAMES,
            proxy=None,
        )
        self._reader = asyncio.create_task(self._read(self._socket))
        return self

    async def _read(self, socket: ClientConnection) -> None:
        with suppress(WebSocketException):
            while True:
                self.frames.append(await socket.recv())

    async def send(self, frame: Frame) -> None:
        """Envoie ; une connexion fermée d'en face ne lève rien, `closed` le dira."""
        assert self._socket
        with suppress(WebSocketException):
            await self._socket.send(frame)

    def after(self, mark: int) -> list[Frame]:
        return self.frames[mark:]

    @property
    def closed(self) -> bool:
        return self._reader.done()

    async def forward(self, visit: "Visit", gate: Gate) -> None:
        """Rapporte à ce visiteur tout ce qui arrive ici, dès que `gate` s'ouvre, puis sa fin."""
        passed = 0
        while not self.closed or passed < self.mark:
            for frame in self.after(passed):
                passed += 1
                await gate(frame)
                await visit.answer(frame)
            await asyncio.sleep(0.01)
        await visit.socket.close()

    async def close(self) -> None:
        """Fermeture propre, comme un client poli."""
        if self._socket:
            await self._socket.close()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def cut(self) -> None:
        """La connexion TCP coupée net, sans un mot (RST), comme un câble arraché."""
        assert self._socket
        self._socket.transport.abort()
        await asyncio.gather(self._reader, return_exceptions=True)


REFUSED = (OSError, TimeoutError, InvalidHandshake, WebSocketException)


@dataclass
class Visit:
    """Un client de l'étudiant vu par le faux serveur : ce qu'il a dit, ce qu'il a entendu."""

    socket: ServerConnection
    path: str
    headers: dict[str, str]
    protocols: list[str]
    frames: list[Frame] = field(default_factory=list)
    answers: list[Frame] = field(default_factory=list)

    async def answer(self, frame: Frame) -> None:
        self.answers.append(frame)
        await self.socket.send(frame)


Reply = Callable[[Visit, Frame], list[Frame]]


async def open_gate(frame: Frame) -> None:
    """Laisse tout passer aussitôt."""


class Mock:
    """Un faux serveur qui note tout et répond ce que dit `reply(visite, message)`.

    `greeting` part dès l'ouverture, pour les clients qui attendent que le serveur parle d'abord.
    Avec `real`, l'adresse d'un vrai serveur, il n'est qu'un relais qui écoute, et retient un
    message de ce serveur tant que `gate` l'attend.
    """

    def __init__(
        self,
        reply: Reply | None = None,
        greeting: Sequence[Frame] = (),
        real: str = "",
        gate: Gate = open_gate,
    ) -> None:
        self.reply, self.greeting, self.real, self.gate = reply, greeting, real, gate
        self.visits: list[Visit] = []

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._handle,
            sock=current().network.listener(),
            create_connection=CountedServer,
            select_subprotocol=lambda connection, offered: offered[0] if offered else None,
            ping_interval=None,
            max_size=FRAMES,
            close_timeout=1,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _handle(self, socket: ServerConnection) -> None:
        request = socket.request
        assert request
        headers = {
            name: value
            for name, value in request.headers.raw_items()
            if name.lower() not in STANDARD_HEADERS
        }
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        protocols = [name.strip() for name in offered.split(",") if name.strip()]
        visit = Visit(socket, request.path, headers, protocols)
        self.visits.append(visit)
        if self.real:
            await self._relay(visit)
            return
        with suppress(WebSocketException):
            for frame in self.greeting:
                await visit.answer(frame)
            while True:
                frame = await socket.recv()
                visit.frames.append(frame)
                for answer in self.reply(visit, frame) if self.reply else []:
                    await visit.answer(answer)

    async def _relay(self, visit: Visit) -> None:
        """Passe chaque message au vrai serveur et rapporte ses réponses."""
        link = Link()
        try:
            await link.open(self.real + visit.path, visit.headers, visit.protocols)
        except REFUSED:
            return
        back = asyncio.create_task(link.forward(visit, self.gate))
        with suppress(WebSocketException):
            while True:
                frame = await visit.socket.recv()
                visit.frames.append(frame)
                await link.send(frame)
        back.cancel()
        await asyncio.gather(back, return_exceptions=True)
        await link.close()

    @property
    def frames(self) -> list[Frame]:
        """Tout ce qui a été reçu, toutes visites confondues."""
        return [frame for visit in self.visits for frame in visit.frames]

    def heard(self, word: str) -> bool:
        """Vrai si un message, un chemin ou un en-tête contient ce mot."""
        said = [*self.frames, *(visit.path for visit in self.visits)]
        values = [value for visit in self.visits for value in visit.headers.values()]
        said += [*values, *(value.rpartition(" ")[2] for value in values)]  # « Basic YW5hOng= »
        return any(mentions(frame, word) for frame in said)

    async def send(self, frame: Frame) -> None:
        """Envoie un message à tous les clients présents."""
        for visit in self.visits:
            with suppress(WebSocketException):
                await visit.answer(frame)

    async def leave(self) -> None:
        """S'arrête comme un serveur : il n'écoute plus, et ferme ses connexions (1001)."""
        self._server.close()
        await self._server.wait_closed()
