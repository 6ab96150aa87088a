"""Un client de la chatroom pour les tests, qui retient tout ce qu'il reçoit."""

import asyncio
import re
import time

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from .processes import PATIENCE

LINE = re.compile(r"^\[(?:\d\d/\d\d )?\d\d:\d\d\] (.*)$")
SAID = re.compile(r"^(.*?) a dit : (.*)$")


class Chatter:
    """Une personne dans la salle, et tout ce qu'elle reçoit.

    `lines` : les lignes, sans leur heure ; `messages` : les textes dits, dans l'ordre reçu ;
    `heard_at` : l'instant où chacun l'a été.
    """

    def __init__(self, websocket):
        self.websocket = websocket
        self.frames: list[str] = []
        self.lines: list[str] = []
        self.messages: list[str] = []
        self.heard_at: dict[str, float] = {}
        self.session: str | None = None
        self._news = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, url: str, first: str | bytes | None = None, **options) -> "Chatter":
        """Ouvre une connexion, et envoie cette première trame s'il y en a une."""
        chatter = cls(await connect(url, proxy=None, **options))
        if first is not None:
            await chatter.websocket.send(first)
        return chatter

    @classmethod
    async def join(cls, url: str, pseudo: str, **options) -> "Chatter":
        """Entre dans la salle sous ce pseudo ; rend la main une fois accepté."""
        chatter = await cls.open(url, f"Hello|{pseudo}", **options)
        await chatter.until(lambda: chatter.session, f"{pseudo} attend son ID|")
        return chatter

    @classmethod
    async def come_back(cls, url: str, session: str, **options) -> "Chatter":
        """Revient dans la salle par `ID|<session>`."""
        chatter = await cls.open(url, f"ID|{session}", **options)
        chatter.session = session
        await chatter.see(r"^Welcome back ")
        return chatter

    async def _read(self) -> None:
        try:
            async for frame in self.websocket:
                self._take(frame)
                self._news.set()
        except ConnectionClosed:
            pass  # le code de fermeture se lit dans `closed()`
        finally:
            self._news.set()

    def _take(self, frame: str) -> None:
        self.frames.append(frame)
        if frame.startswith("ID|"):
            self.session = frame.removeprefix("ID|")
        for line in frame.split("\n"):
            stamped = LINE.match(line)
            self.lines.append(stamped[1] if stamped else line)
            if said := SAID.match(self.lines[-1]):
                self.messages.append(said[2])
                self.heard_at[said[2]] = time.perf_counter()

    def forget(self) -> None:
        """Oublie ce qui est reçu jusqu'ici."""
        for memory in self.frames, self.lines, self.messages, self.heard_at:
            memory.clear()

    async def say(self, text: str) -> None:
        await self.websocket.send(text)

    async def until(self, condition, what: str, timeout: float = 10):
        """Attend que `condition()` soit vraie, et rend sa valeur ; AssertionError sinon."""
        try:
            async with asyncio.timeout(timeout * PATIENCE):
                while not (value := condition()):
                    self._news.clear()
                    if self._reader.done():
                        raise AssertionError(f"{what} : connexion fermée, {self.summary()}")
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{what} : rien en {timeout:g} s, {self.summary()}") from None
        return value

    def summary(self) -> str:
        lines = [line if len(line) < 200 else f"{line[:200]}…" for line in self.lines[-10:]]
        return f"code {self.websocket.close_code}, dernières lignes : {lines}"

    async def see(self, pattern: str, timeout: float = 10) -> str:
        """Attend une ligne où l'expression se trouve, et la rend."""

        def search():
            return next((line for line in self.lines if re.search(pattern, line)), None)

        return await self.until(search, f"attendait « {pattern} »", timeout)

    async def hear(self, text: str, timeout: float = 10) -> None:
        """Attend que quelqu'un dise exactement `text`."""
        await self.until(lambda: text in self.heard_at, f"attendait « {text} »", timeout)

    def announced(self, sentence: str) -> int:
        """Combien de fois une annonce a été lue."""
        return self.lines.count(f"Annonce : {sentence}")

    async def closed(self, timeout: float = 10) -> int:
        """Attend la fin de la connexion et rend le code de fermeture."""
        try:
            async with asyncio.timeout(timeout * PATIENCE):
                await self.websocket.wait_closed()
                await self._reader
        except TimeoutError:
            raise AssertionError(f"pas fermée en {timeout:g} s, {self.summary()}") from None
        return self.websocket.close_code

    async def leave(self) -> None:
        await self.websocket.close()
        await self._reader

    async def cut(self) -> None:
        """Coupe la connexion net, sans la fermer."""
        self.websocket.transport.abort()
        await self._reader


async def settle(watcher: Chatter, *others: Chatter) -> None:
    """Attend que `watcher` ait vu tout ce que chacun des `others` a dit jusqu'ici."""
    for number, other in enumerate(others):
        mark = f"marque {id(other)}-{number}"
        await other.say(mark)
        await watcher.hear(mark)
