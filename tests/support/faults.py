"""De quoi provoquer des pannes et compter ce qu'elles coûtent : scène, parleurs, relais."""

import asyncio
import math
import re
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from redis import Redis
from websockets.exceptions import ConnectionClosed

from .chat import SAID, Chatter
from .processes import PATIENCE, Process, Server
from .storage import Storage

CHAT = "ws_ii_3_server.py"


def forms(**numbers: tuple) -> pytest.MarkDecorator:
    """Donne à un test son argument `n` : la forme courte, puis la longue (`make endurance`).

    `forms(messages=(500, 10_000))` rend `n.messages` égal à 500, puis à 10 000.
    """
    short, long = (
        SimpleNamespace(**{name: pair[which] for name, pair in numbers.items()}) for which in (0, 1)
    )
    return pytest.mark.parametrize(
        "n",
        [
            pytest.param(short, id="court"),
            pytest.param(long, id="long", marks=pytest.mark.endurance),
        ],
    )


def report(scenario: str, **counted: object) -> None:
    """Écrit ce qu'un scénario a compté, sur une ligne (`pytest -rA` ou `-s` la montre)."""
    print(f"{scenario} : " + ", ".join(f"{name} {figure}" for name, figure in counted.items()))


# --- La scène : des bases et des serveurs à nous -----------------------------------------------


class Stage:
    """Un Redis, un MongoDB et des serveurs pour un seul scénario."""

    def __init__(
        self, redis, mongo, programs: ExitStack, links: AsyncExitStack, script: str | Path
    ):
        self.redis = redis
        self.mongo = mongo
        self.servers: list[Server] = []
        self.script = script
        self._programs = programs
        self._links = links
        self.keys = programs.enter_context(Redis.from_url(redis.url, decode_responses=True))
        # Un MongoDB absent se dit vite ; un scénario qui l'attend le redemande.
        self.client = programs.enter_context(MongoClient(mongo.url, serverSelectionTimeoutMS=1000))
        self.documents = self.client["tp7"]["messages"]

    async def add_server(self, **changes: str) -> Server:
        """Démarre un serveur de plus. `changes` : son environnement."""
        env = {"REDIS_URL": self.redis.url, "MONGO_URL": self.mongo.url} | changes
        server = await asyncio.to_thread(Server, self.script, **env)
        self._programs.callback(server.kill)
        self.servers.append(server)
        return server

    async def link(self) -> "Proxy":
        """Ouvre un relais devant Redis, qui dure autant que les serveurs."""
        return await self._links.enter_async_context(proxy_for(self.redis.url))

    def stream(self, since: str = "0") -> list[dict]:
        """Tout ce qui est dans le flux après la position `since`, dans l'ordre."""
        return [entry for _, entry in self.keys.xrange("room", f"({since}")]

    def said(self, since: str = "0") -> list[str]:
        """Les textes dits, dans l'ordre commun : celui du flux."""
        return [entry["text"] for entry in self.stream(since) if entry["kind"] == "say"]

    def copied(self) -> list[str]:
        """Les textes copiés dans MongoDB, dans l'ordre de l'historique."""
        return [one["text"] for one in self.documents.find().sort("order", 1)]

    def count(self, kind: str, pseudo: str) -> int:
        """Combien de fois quelqu'un est annoncé : `enter`, `return` ou `leave`."""
        stream = self.stream()
        return sum(entry["kind"] == kind and entry["pseudo"] == pseudo for entry in stream)

    async def until_copied(self, timeout: float = 30) -> list[str]:
        """Attend que tout ce qui est dit soit dans MongoDB, et rend les textes."""
        said = await asyncio.to_thread(self.said)

        async def all_copied() -> list[str] | None:
            copied = await asyncio.to_thread(self.copied)
            return copied if len(copied) >= len(said) else None

        await eventually(all_copied, f"{len(said)} messages dans MongoDB", timeout)
        return await asyncio.to_thread(self.copied)

    async def close(self) -> None:
        """Arrête les serveurs comme Ctrl+C ; chacun doit finir par 0, et sans trace d'erreur."""
        for server in self.servers:
            if server.alive:
                assert await asyncio.to_thread(server.stop) == 0, server.output
            assert "Traceback" not in server.output, server.output


@asynccontextmanager
async def stage(
    storage: Storage, servers: int = 2, script: str | Path = CHAT, **env: str
) -> AsyncIterator[Stage]:
    """Ouvre des bases et `servers` serveurs, tous démarrés au même instant."""
    async with AsyncExitStack() as links:
        # Dans un fil à part : arrêter une base peut durer, et la boucle porte aussi les relais des
        # scénarios voisins, dont les serveurs croiraient Redis muet.
        programs = ExitStack()
        links.push_async_callback(asyncio.to_thread, programs.close)
        redis, mongo = await asyncio.gather(
            asyncio.to_thread(programs.enter_context, storage.redis()),
            asyncio.to_thread(programs.enter_context, storage.mongo()),
        )
        scene = Stage(redis, mongo, programs, links, script)
        await asyncio.gather(*(scene.add_server(**env) for _ in range(servers)))
        yield scene
        await scene.close()


async def eventually(condition: Callable, what: str, timeout: float = 10):
    """Attend que `condition()` (asynchrone) rende une valeur vraie, et la rend."""
    last = None
    try:
        async with asyncio.timeout(timeout * PATIENCE):
            while True:
                if last := await condition():
                    return last
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"après {timeout:g} s : {what} (dernier état : {last})") from None


# --- Les gens ----------------------------------------------------------------------------------


class Witness(Chatter):
    """Quelqu'un qui retient l'instant où il entend chaque message."""

    def __init__(self, websocket):
        self.heard: list[str] = []
        self.heard_at: dict[str, float] = {}
        super().__init__(websocket)

    def _take(self, frame: str) -> None:
        known = len(self.lines)
        super()._take(frame)
        now = time.perf_counter()
        for line in self.lines[known:]:
            if said := SAID.match(line):
                self.heard.append(said[2])
                self.heard_at[said[2]] = now

    async def hear(self, text: str, timeout: float = 20) -> None:
        """Attend que quelqu'un dise exactement `text`."""
        await self.until(lambda: text in self.heard_at, f"attend « {text} »", timeout)

    def announced(self, sentence: str) -> int:
        """Combien de fois une annonce a été lue, à l'heure près."""
        return self.lines.count(f"Annonce : {sentence}")


class Crowd:
    """Des gens qui parlent à un rythme donné. `sent` : quand chaque texte est parti."""

    def __init__(self):
        self.sent: dict[str, float] = {}
        self.authors: dict[str, Witness] = {}
        self._tasks: dict[str, asyncio.Task] = {}

    async def arrive(self, url: str, *pseudos: str) -> None:
        people = await asyncio.gather(*(Witness.join(url, pseudo) for pseudo in pseudos))
        self.authors |= dict(zip(pseudos, people, strict=True))

    def start(self, rate: float, padding: str = "", count: float = math.inf) -> None:
        """Fait parler chacun `rate` fois par seconde, `count` fois au plus."""
        for pseudo in self.authors:
            self.start_one(pseudo, rate, padding, count)

    def start_one(self, pseudo: str, rate: float, padding: str = "", count=math.inf) -> None:
        talk = self._talk(pseudo, rate, padding, count)
        self._tasks[pseudo] = asyncio.create_task(talk)

    async def _talk(self, pseudo: str, rate: float, padding: str, count: float) -> None:
        author = self.authors[pseudo]
        first = sum(text.startswith(f"{pseudo}-") for text in self.sent)
        number, start = 0, time.perf_counter()
        with suppress(ConnectionClosed):  # son serveur est mort : le scénario le fera revenir
            while number < count:
                text = f"{pseudo}-{first + number}{padding}"
                self.sent[text] = time.perf_counter()
                await author.say(text)
                number += 1
                await asyncio.sleep(max(0, start + number / rate - time.perf_counter()))

    async def finish(self) -> None:
        """Attend que chacun ait tout dit, quand il parle un nombre de fois donné."""
        await asyncio.gather(*self._tasks.values())

    async def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def end(self, *witnesses: Witness, timeout: float = 20) -> None:
        """Fait taire tout le monde, et attend que chaque témoin ait entendu chacun jusqu'au bout.

        Les messages d'un auteur gardent leur ordre : entendre son dernier, c'est les avoir tous.
        """
        await self.stop()
        for pseudo, author in self.authors.items():
            await author.say(f"{pseudo}-fin")
        for witness in witnesses:
            for pseudo in (who for who, author in self.authors.items() if author is not witness):
                await witness.hear(f"{pseudo}-fin", timeout)

    def latencies(self, witness: Witness, since: float = 0, until: float = math.inf) -> list[float]:
        """Les durées, en secondes, entre l'envoi et l'écoute de ce qui est parti entre-temps.

        Un message pas encore entendu compte pour le temps qu'il attend déjà.
        """
        now = time.perf_counter()
        sent = [item for item in self.sent.items() if since <= item[1] < until]
        return [witness.heard_at.get(text, now) - departure for text, departure in sent]


def percentile(values: Iterable[float], rank: float) -> float:
    """La valeur que `rank` % des valeurs ne dépassent pas."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * rank / 100))]


def in_ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def lost_and_doubled(expected: Iterable[str], heard: list[str]) -> tuple[list[str], list[str]]:
    """Ce qui manque à `heard`, et ce qui y est plusieurs fois."""
    counts = Counter(heard)
    lost = [text for text in expected if not counts[text]]
    return lost, [text for text, times in counts.items() if times > 1]


def check_exact(expected: list[str], *heard_by: list[str]) -> None:
    """Exige que chaque témoin ait entendu l'ordre commun `expected`, depuis son premier message.

    Compte sinon ce qui manque, double ou change de place.
    """
    lost = doubled = misplaced = 0
    for heard in heard_by:
        since = expected[expected.index(heard[0]) :] if heard else expected
        missing, repeated = lost_and_doubled(since, heard)
        lost += len(missing)
        doubled += len(repeated)
        misplaced += not missing and not repeated and heard != since
    assert not (lost or doubled or misplaced), (
        f"{len(heard_by)} témoins de {len(expected)} messages : {lost} manquants, "
        f"{doubled} en double, {misplaced} témoins dans un autre ordre"
    )


# --- Un fil que l'on coupe ---------------------------------------------------------------------


class Proxy:
    """Un relais TCP devant une base ou un serveur.

    `cut()` coupe net. `swallow()` avale tout sans rien fermer, comme un NAT qui a oublié, ou
    seulement les réponses. `refuse()` coupe, et n'accepte plus personne. `flow()` laisse passer
    les connexions neuves ; celles qui ont été avalées restent muettes pour toujours. `trap` : des
    octets, et ce que le relais fait dès qu'une demande les contient, une seule fois.
    """

    trap: tuple[bytes, Callable[[], None]] | None = None
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


# --- Ce que coûte un processus -------------------------------------------------------------------


def memory(process: Process, measure: str = "VmRSS") -> float:
    """La mémoire résidente d'un processus, en Mo ; `VmHWM` : son maximum (man 5 proc)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{measure}:\s+(\d+) kB", status)[1]) / 1024


def descriptors(process: Process) -> int:
    """Combien de fichiers et de connexions un processus tient ouverts."""
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


async def tasks(server: Server) -> int:
    """Demande à un serveur lancé par counted.py combien de tâches asyncio il a."""

    def told() -> list[str]:
        return [line for line in server.lines if line.startswith("tâches : ")]

    before = len(told())
    server.send_signal(signal.SIGUSR1)

    async def answer() -> list[str]:
        return told()[before:]

    [line] = await eventually(answer, "le serveur compte ses tâches")
    return int(line.removeprefix("tâches : "))


def memory_growth(process: Process) -> Callable[[], float]:
    """Rend une fonction qui dit de combien de Mo la mémoire a grandi au plus depuis cet appel."""
    # Écrire 5 ramène le maximum retenu par Linux, VmHWM, à la mémoire du moment.
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    before = memory(process)
    return lambda: memory(process, "VmHWM") - before


def connections(server: Server) -> int:
    """Combien de clients un serveur tient encore : reliés, ou partis sans qu'il ait fermé."""
    held = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        # 01 : reliés ; 08 : l'autre a fermé, nous pas encore.
        held += local.endswith(f":{server.port:04X}") and state in ("01", "08")
    return held


async def deaf_client(url: str, first: str) -> Chatter:
    """Fait entrer quelqu'un qui, une fois accepté, ne lit plus rien, pas même une fermeture.

    `first` : sa première trame, `Hello|…` ou `ID|…`.
    """
    address = urlsplit(url)
    raw = socket.socket()
    # Un petit tampon de réception : le noyau garde le moins possible à la place du serveur.
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect((address.hostname, address.port))
    raw.setblocking(False)
    chatter = await Chatter.open(url, first, sock=raw, ping_interval=None)
    await chatter.until(lambda: chatter.lines, f"« {first} » attend d'être accepté")
    chatter.websocket.transport.pause_reading()
    return chatter
