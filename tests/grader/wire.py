"""Le fil : un client et un faux serveur WebSocket qui gardent tout ce qui passe."""

import asyncio
import base64
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidHandshake, WebSocketException

from grader.sandbox import ANSI, PATIENCE, until

Frame = str | bytes
STANDARD_HEADERS = {
    "host", "upgrade", "connection", "origin", "user-agent", "pragma", "cache-control",
    "accept-encoding", "accept-language", "cookie", "sec-websocket-key", "sec-websocket-version",
    "sec-websocket-extensions", "sec-websocket-protocol", "authorization",
}  # fmt: skip


def text_of(frame: Frame) -> str:
    """Ce qu'un lecteur comprend d'un message : octets décodés, couleurs ôtées, JSON déplié."""
    text = frame.decode("utf-8", "replace") if isinstance(frame, bytes) else frame
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)
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


@dataclass
class Link:
    """Une connexion ouverte par le correcteur ; `frames` grandit à mesure qu'elle reçoit."""

    name: str
    frames: list[Frame] = field(default_factory=list)
    sent: list[Frame] = field(default_factory=list)
    closed: str = ""

    async def open(self, url: str, headers: dict | None = None, protocols: list | None = None):
        """Ouvre ; lève OSError, TimeoutError ou WebSocketException si le serveur ne veut pas."""
        self._socket = await connect(
            url,
            additional_headers=headers or None,
            subprotocols=protocols or None,
            open_timeout=8 * PATIENCE,
            close_timeout=1,
            ping_interval=None,
            max_size=None,
            proxy=None,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        try:
            while True:
                self.frames.append(await self._socket.recv())
        except WebSocketException as error:
            self.closed = str(error) or type(error).__name__

    async def send(self, frame: Frame) -> None:
        """Envoie ; une connexion fermée d'en face ne lève rien, `closed` le dira."""
        self.sent.append(frame)
        try:
            await self._socket.send(frame)
        except WebSocketException as error:
            self.closed = str(error)

    def after(self, mark: int) -> list[Frame]:
        return self.frames[mark:]

    async def wait(self, word: str, seconds: float, mark: int = 0) -> Frame | None:
        """Le premier message reçu depuis `mark` qui contient `word`, ou None."""

        def search() -> tuple[Frame] | None:
            return next(((f,) for f in self.frames[mark:] if mentions(f, word)), None)

        found = await until(lambda: search() or (bool(self.closed) and (None,)), seconds)
        return found[0] if found else None

    async def settle(self, silence: float = 0.15, longest: float = 1.5) -> None:
        """Attend qu'il n'arrive plus rien depuis `silence` secondes."""
        deadline = time.monotonic() + longest * PATIENCE
        seen, since = len(self.frames), time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - since < silence * PATIENCE:
            if len(self.frames) != seen:
                seen, since = len(self.frames), time.monotonic()
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Fermeture propre, comme un client poli."""
        if hasattr(self, "_socket"):
            await self._socket.close()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def cut(self) -> None:
        """La connexion TCP coupée net, sans un mot (RST), comme un câble arraché."""
        self._socket.transport.abort()
        await asyncio.gather(self._reader, return_exceptions=True)


REFUSED = (OSError, TimeoutError, InvalidHandshake, WebSocketException)


@dataclass
class Visit:
    """Un client de l'étudiant vu par le faux serveur."""

    path: str
    headers: dict[str, str]
    protocols: list[str]
    frames: list[Frame] = field(default_factory=list)
    over: bool = False
    socket: ServerConnection | None = None


Reply = Callable[[Visit, Frame], list[Frame]]


class Mock:
    """Un faux serveur qui note tout et répond ce que dit `reply(visite, message)`.

    `greeting` part dès l'ouverture, pour les clients qui attendent que le serveur parle d'abord.
    Avec `real`, l'adresse d'un vrai serveur, il n'est qu'un relais qui écoute.
    """

    def __init__(
        self, reply: Reply | None = None, greeting: list[Frame] | None = None, real: str = ""
    ):
        self.reply, self.greeting, self.real = reply, greeting or [], real
        self.visits: list[Visit] = []

    async def __aenter__(self) -> "Mock":
        self._server = await serve(
            self._handle,
            "127.0.0.1",
            0,
            select_subprotocol=lambda connection, offered: offered[0] if offered else None,
            ping_interval=None,
            max_size=None,
            close_timeout=1,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, *_) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _handle(self, socket: ServerConnection) -> None:
        headers = {
            name: value
            for name, value in socket.request.headers.raw_items()
            if name.lower() not in STANDARD_HEADERS
        }
        offered = socket.request.headers.get("Sec-WebSocket-Protocol", "")
        protocols = [name.strip() for name in offered.split(",") if name.strip()]
        visit = Visit(socket.request.path, headers, protocols, socket=socket)
        self.visits.append(visit)
        if self.real:
            return await self._relay(visit)
        try:
            for frame in self.greeting:
                await socket.send(frame)
            while True:
                frame = await socket.recv()
                visit.frames.append(frame)
                for answer in self.reply(visit, frame) if self.reply else []:
                    await socket.send(answer)
        except WebSocketException:
            visit.over = True

    async def _relay(self, visit: Visit) -> None:
        """Passe chaque message au vrai serveur et rapporte ses réponses."""
        link = Link("relais")
        try:
            await link.open(self.real + visit.path, visit.headers, visit.protocols)
        except REFUSED:
            return
        back = asyncio.create_task(self._bring_back(link, visit.socket))
        try:
            while True:
                frame = await visit.socket.recv()
                visit.frames.append(frame)
                await link.send(frame)
        except WebSocketException:
            visit.over = True
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            await link.close()

    async def _bring_back(self, link: Link, socket: ServerConnection) -> None:
        passed = 0
        while not link.closed or passed < len(link.frames):
            await until(lambda n=passed: len(link.frames) > n or link.closed, 60)
            for frame in link.frames[passed:]:
                passed += 1
                await socket.send(frame)
        await socket.close()

    @property
    def frames(self) -> list[Frame]:
        """Tout ce qui a été reçu, toutes visites confondues."""
        return [frame for visit in self.visits for frame in visit.frames]

    def heard(self, word: str) -> bool:
        """Vrai si un message, un chemin ou un en-tête contient ce mot."""
        said = [*self.frames, *(visit.path for visit in self.visits)]
        said += [value for visit in self.visits for value in visit.headers.values()]
        return any(mentions(frame, word) for frame in said)

    async def send(self, frame: Frame) -> None:
        """Envoie un message à tous les clients présents."""
        await self.each(lambda visit: visit.socket.send(frame))

    async def each(self, action: Callable[[Visit], Awaitable]) -> None:
        for visit in self.visits:
            if not visit.over:
                try:
                    await action(visit)
                except WebSocketException:
                    visit.over = True

    async def leave(self) -> None:
        """S'arrête comme un serveur : il n'écoute plus, et ferme ses connexions (1001)."""
        self._server.close()
        await self._server.wait_closed()
