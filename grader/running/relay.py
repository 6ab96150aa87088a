"""Une base neuve pour un rendu, et le relais par lequel il la joint."""

import asyncio
import random
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from databases import CannotStart, Database
from grader.running.enclosure import current
from grader.running.removal import remove
from grader.verdict import Came, CouldNotRun

# Sous les ports que Linux et macOS prêtent aux connexions sortantes.
PORTS = range(20_000, 32_000)
LINKS = 100  # connexions d'un rendu à une base, à la fois

# Passe d'un bout à l'autre ; vrai si c'est ce que demande le rendu.
Pump = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bool], Awaitable[None]]


@contextmanager
def free_port() -> Iterator[int]:
    """Un port TCP libre ; le port UDP du même numéro, pris pour la durée du bloc, le réserve."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket(type=socket.SOCK_DGRAM) as claim:
            try:
                claim.bind(("127.0.0.1", port))
                socket.create_server(("127.0.0.1", port)).close()
            except OSError:
                continue
            yield port
            return


@asynccontextmanager
async def started(kind: type[Database], scheme: str, absent: Came) -> AsyncIterator[int]:
    """Une base de cette sorte, pour la durée du bloc ; lève CouldNotRun si elle ne démarre pas."""
    with free_port() as port:
        folder = Path(tempfile.mkdtemp(prefix="tp7-"))
        database = kind(f"{scheme}://127.0.0.1:{port}", folder)
        try:
            await asyncio.to_thread(database.start)
            yield port
        except CannotStart as error:
            raise CouldNotRun(absent, error=str(error)) from None
        finally:
            await asyncio.to_thread(database.stop)
            remove(folder)


@asynccontextmanager
async def relayed(real: int, pump: Pump) -> AsyncIterator[int]:
    """Le port d'un relais vers cette base, là où le rendu le joint, pour la durée du bloc."""
    links = asyncio.Semaphore(LINKS)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if links.locked():
            return writer.close()
        async with links:
            try:
                there_reader, there_writer = await asyncio.open_connection("127.0.0.1", real)
            except OSError:
                return writer.close()
            both = pump(reader, there_writer, True), pump(there_reader, writer, False)
            await asyncio.gather(*both)

    server = await asyncio.start_server(relay, sock=current().network.listener())
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
