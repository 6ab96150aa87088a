"""Une salle dont le test tient aussi les bases : il les tue, les fige, et compte ce qui y reste."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

from pymongo import MongoClient
from redis import Redis

from .chat import SAID
from .processes import PATIENCE
from .proxy import proxy_for
from .room import CHATROOM, Room
from .storage import Private, Storage


class Stage(Room):
    """Une salle avec un Redis et un MongoDB pour elle seule."""

    def __init__(self, redis: Private, mongo: Private, program: str | Path, programs: ExitStack):
        super().__init__(redis.url, mongo.url, program)
        self.redis, self.mongo = redis, mongo
        self.may_complain = True
        self.keys = programs.enter_context(Redis.from_url(redis.url, decode_responses=True))
        # Un MongoDB absent se dit vite ; un scénario qui l'attend le redemande.
        client = programs.enter_context(MongoClient(mongo.url, serverSelectionTimeoutMS=1000))
        is_chatroom = Path(program).name == CHATROOM
        self.prefix = "{chatroom}:" if is_chatroom else ""
        self.documents = client[CHATROOM][CHATROOM] if is_chatroom else client["tp7"]["messages"]

    def key(self, name: str) -> str:
        """Le nom, dans Redis, d'une clé de ce serveur."""
        return self.prefix + name

    def stream(self, since: str = "0") -> list[dict]:
        """Tout ce qui est dans le flux après la position `since`, dans l'ordre."""
        return [entry for _, entry in self.keys.xrange(self.key("room"), f"({since}")]

    def said(self, since: str = "0") -> list[str]:
        """Les textes dits, dans l'ordre commun : celui du flux."""
        return list(filter(None, map(text_of, self.stream(since))))

    def count(self, kind: str, pseudo: str) -> int:
        """Combien de fois quelqu'un est annoncé : `enter`, `return` ou `leave`."""
        stream = self.stream()
        return sum(entry["kind"] == kind and entry["pseudo"] == pseudo for entry in stream)

    def copied(self) -> list[str]:
        """Les textes copiés dans MongoDB, dans l'ordre de l'historique."""
        return [text_of(one) for one in self.documents.find().sort([("order", 1), ("_id", 1)])]

    async def until_copied(self, timeout: float = 30) -> list[str]:
        """Attend que tout ce qui est dit soit dans MongoDB, et rend les textes."""
        said = await asyncio.to_thread(self.said)

        def missing() -> int:
            return len(said) - self.documents.count_documents({})

        def none_missing() -> bool:
            return missing() <= 0

        await eventually(none_missing, lambda: f"{missing()} perdus pour MongoDB", timeout)
        return await asyncio.to_thread(self.copied)


def text_of(entry: dict) -> str | None:
    """Ce que dit une entrée du flux ou un document, s'il dit quelque chose ; les scripts de la
    leçon y écrivent la phrase entière."""
    if "sentence" in entry:
        said = SAID.match(entry["sentence"])
        return said and said[2]
    return entry.get("text") if entry.get("kind", "say") == "say" else None


@asynccontextmanager
async def stage(
    storage: Storage, program: str | Path = CHATROOM, servers: int = 2, links: int = 0, **env: str
) -> AsyncIterator[Stage]:
    """Ouvre des bases et `servers` serveurs, tous démarrés au même instant.

    `links` : autant de serveurs de plus, chacun derrière un relais vers Redis (`room.links`).
    """
    async with AsyncExitStack() as exits:
        # Dans un fil à part : arrêter une base peut durer, et la boucle porte aussi les relais des
        # scénarios voisins, dont les serveurs croiraient Redis muet.
        programs = ExitStack()
        exits.push_async_callback(asyncio.to_thread, programs.close)
        redis, mongo = await asyncio.gather(
            asyncio.to_thread(programs.enter_context, storage.redis()),
            asyncio.to_thread(programs.enter_context, storage.mongo()),
        )
        room = Stage(redis, mongo, program, programs)
        room.links = [await exits.enter_async_context(proxy_for(redis.url)) for _ in range(links)]
        async with room:
            await room.add(servers, **env)
            for link in room.links:
                await room.add(REDIS_URL=link.in_front_of(redis.url), **env)
            yield room


async def eventually(
    condition: Callable[[], object], what: str | Callable[[], str], timeout: float = 10
) -> None:
    """Attend que `condition()` soit vraie ; elle a le droit de faire attendre une base."""
    deadline = asyncio.get_running_loop().time() + timeout * PATIENCE
    while not await asyncio.to_thread(condition):
        if asyncio.get_running_loop().time() > deadline:
            reason = what if isinstance(what, str) else await asyncio.to_thread(what)
            raise AssertionError(f"après {timeout:g} s : {reason}")
        await asyncio.sleep(0.05)
