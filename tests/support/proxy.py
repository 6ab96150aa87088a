"""Un fil que l'on coupe : un relais TCP devant une base ou un serveur."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit


class Proxy:
    """Un relais TCP devant une base ou un serveur.

    `cut()` coupe net. `swallow()` avale tout sans rien fermer, comme un NAT qui a oublié, ou
    seulement les réponses. `refuse()` coupe, et n'accepte plus personne. `flow()` laisse passer
    les connexions neuves ; celles qui ont été avalées restent muettes pour toujours. `trap` : des
    octets, et ce que le relais fait dès qu'une demande les contient, une seule fois. `slow` : des
    octets, et les secondes que met à passer une demande qui les contient.
    """

    trap: tuple[bytes, Callable[[], None]] | None = None
    slow: tuple[bytes, float] | None = None
    refusing = False

    def __init__(self, host: str, port: int):
        self._target = host, port
        self._tasks: set[asyncio.Task] = set()
        self._asking: set[asyncio.StreamWriter] = set()
        self._answering: set[asyncio.StreamWriter] = set()
        self._mute: set[asyncio.StreamWriter] = set()
        self._swallowing: list[set[asyncio.StreamWriter]] = []
        self.swallowed = 0  # octets

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._link, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks)
        await self._server.wait_closed()

    def in_front_of(self, url: str) -> str:
        """La même adresse, par ce relais."""
        return url.replace(urlsplit(url).netloc, f"127.0.0.1:{self.port}")

    def swallow(self, answers_only: bool = False) -> None:
        self._swallowing = [self._answering] if answers_only else [self._answering, self._asking]
        for direction in self._swallowing:
            self._mute |= direction

    def refuse(self) -> None:
        self.refusing = True
        self.cut()

    def flow(self) -> None:
        self._swallowing, self.refusing, self.trap = [], False, None

    def cut(self) -> None:
        for writer in self._answering | self._asking:
            writer.transport.abort()

    async def _link(self, reader, writer) -> None:
        self._tasks.add(asyncio.current_task())
        try:
            onward = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        if self.refusing:  # regardé une fois l'autre bout ouvert : il a pu refuser entre-temps
            writer.transport.abort()
            onward[1].transport.abort()
            return
        self._answering.add(writer)
        self._asking.add(onward[1])
        self._mute |= {one for one in (writer, onward[1]) for way in self._swallowing if one in way}
        await asyncio.gather(self._pass(reader, onward[1]), self._pass(onward[0], writer))

    async def _pass(self, reader, writer) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self.trap and writer in self._asking and self.trap[0] in data:
                    (_, spring), self.trap = self.trap, None
                    spring()
                if self.slow and writer in self._asking and self.slow[0] in data:
                    await asyncio.sleep(self.slow[1])
                if writer in self._mute:
                    self.swallowed += len(data)
                else:
                    writer.write(data)
                    await writer.drain()
        for links in (self._asking, self._answering, self._mute):
            links.discard(writer)
        writer.close()


def proxy_for(url: str) -> Proxy:
    """Un relais devant l'adresse d'une base ou d'un serveur."""
    address = urlsplit(url)
    return Proxy(address.hostname, address.port)
