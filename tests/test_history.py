"""Étape II.3 : l'historique, du flux à MongoDB et de MongoDB à l'écran d'un nouveau venu."""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from redis import Redis
from support.chat import Chatter
from support.processes import PATIENCE, wait_for
from support.room import II_3, Room
from support.storage import Private

AUTHOR = "00000000-0000-4000-8000-000000000000"
INCOMPLETE = "Annonce : historique incomplet, MongoDB ne répond pas"
DATED = re.compile(r"\[(\d\d/\d\d )?\d\d:\d\d\] ")


@pytest.fixture
async def room(redis_url: str, mongo_url: str):
    """Une salle où le test démarre ses serveurs lui-même."""
    async with Room(redis_url, mongo_url) as room:
        yield room


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def collection(mongo_url: str) -> Iterator[Collection]:
    with MongoClient(mongo_url) as client:
        yield client.get_default_database()["messages"]


def said(text: str) -> dict[str, str]:
    """Une entrée du flux : quelqu'un, autrefois, a dit cela."""
    return {"kind": "say", "pseudo": "Ancien", "author": AUTHOR, "text": text}


async def copied(collection: Collection, count: int) -> list[dict]:
    """Attend que la collection ait `count` documents, et les rend dans l'ordre du flux."""

    def full() -> bool:
        return collection.count_documents({}) >= count

    await asyncio.to_thread(wait_for, full, f"pas {count} messages dans MongoDB", 20)
    return sorted(collection.find(), key=lambda one: tuple(map(int, one["_id"].split("-"))))


async def arrive(room: Room, pseudo: str, server=None) -> Chatter:
    """Fait entrer quelqu'un, et attend que son historique soit passé : une phrase dite après son
    entrée arrive après lui."""
    newcomer = await room.join(pseudo, server)
    crier = await room.join(f"Crieur de {pseudo}", server)
    await newcomer.see(f"Crieur de {pseudo} a rejoint")
    await crier.leave()
    return newcomer


# --- Ce que reçoit un nouveau venu -------------------------------------------------------------


@pytest.mark.parametrize("copy_first", [True, False], ids=["copiés", "à peine dits"])
async def test_last_twenty(room: Room, collection: Collection, copy_first: bool):
    """Un nouveau venu reçoit les 20 derniers messages, puis le direct ; qu'ils soient déjà dans
    MongoDB ou encore dans le flux."""
    room.start(II_3)
    witness, ada, bob = await room.gather("Témoin", "Ada", "Bob")
    for number in range(30):
        await (ada if number % 2 else bob).say(f"message {number}")
    await witness.until(lambda: len(witness.lines) == 30, "attend tous les messages")
    last = witness.lines[10:]
    if copy_first:
        await copied(collection, 30)
    chloe = await arrive(room, "Chloé")
    await ada.say("en direct")
    await chloe.hear("en direct")
    assert chloe.lines[0] == f"ID|{chloe.session}"
    assert chloe.lines[1:21] == last
    assert [line for line in chloe.lines[21:] if "Crieur" not in line] == ["Ada a dit : en direct"]


async def test_nobody_has_spoken(room: Room):
    """Sans message passé, un nouveau venu ne reçoit que son ID|."""
    room.start(II_3)
    ada = await arrive(room, "Ada")
    assert ada.lines[0] == f"ID|{ada.session}"
    assert [line for line in ada.lines[1:] if "Crieur" not in line] == []


async def test_history_holds_only_messages(room: Room):
    """Arrivées et départs ne sont pas de l'historique."""
    room.start(II_3)
    ada, bob = await room.gather("Ada", "Bob")
    await bob.say("un")
    await ada.hear("un")
    await bob.leave()
    await ada.see("Bob a quitté")
    chloe = await arrive(room, "Chloé")
    assert [line for line in chloe.lines[1:] if "Crieur" not in line] == ["Bob a dit : un"]


async def test_return_has_no_history(room: Room):
    """Au retour on reçoit ce qui s'est passé depuis qu'on est venu, une fois, pas l'historique."""
    room.start(II_3)
    ada, chloe = await room.gather("Ada", "Chloé")
    for number in range(5):
        await ada.say(f"ancien {number}")
    await chloe.hear("ancien 4")
    bob = await arrive(room, "Bob")
    assert bob.messages == [f"ancien {number}" for number in range(5)]
    await bob.leave()
    await ada.see("Bob a quitté")
    await ada.say("manqué")
    await chloe.hear("manqué")
    back = await room.come_back(bob.session)
    await ada.see("Bob est de retour")
    await ada.say("en direct")
    await back.hear("en direct")
    assert back.messages == ["manqué", "en direct"]


async def test_joining_in_the_middle(room: Room):
    """Qui entre en plein trafic, sur l'un ou l'autre serveur, reçoit une suite sans trou, sans
    doublon, dans l'ordre de tous."""
    servers = [room.start(II_3) for _ in range(2)]
    witness, ada, bob = await room.gather("Témoin", "Ada", "Bob", servers=servers)
    newcomers: list[Chatter] = []

    async def talk(chatter: Chatter) -> None:
        for number in range(250):
            await chatter.say(f"{number} de {chatter.session}")
            await asyncio.sleep(0.004)

    async def crowd() -> None:
        for number in range(24):
            said_first = 25 + 15 * number
            await witness.until(lambda n=said_first: len(witness.messages) > n, "attend la suite")
            newcomers.append(await room.join(f"P{number}", servers[number % 2]))

    await asyncio.gather(talk(ada), talk(bob), crowd())
    await witness.until(lambda: len(witness.messages) == 500, "attend tous les messages")
    order = witness.messages
    assert len(set(order)) == 500
    for newcomer in newcomers:
        await newcomer.until(lambda n=newcomer: order[-1] in n.messages, "attend la fin")
        start = order.index(newcomer.messages[0])
        assert newcomer.messages == order[start:]
    lengths = [len(newcomer.messages) for newcomer in newcomers]
    assert min(lengths) >= 20 and len(set(lengths)) > 12, "tous sont entrés au même moment"


async def test_order_is_the_stream_s(room: Room, redis: Redis, collection: Collection):
    """Les ids du flux se rangent comme des nombres, et une ligne d'un autre jour porte sa date."""
    ids = ["999999999999-0", "1700000000000-9", "1700000000000-10", "1700000000000-11"]
    texts = [f"texte {number}" for number in range(4)]
    for entry_id, text in zip(ids, texts, strict=True):
        redis.xadd("room", said(text), id=entry_id)
    room.start(II_3)
    documents = await copied(collection, 4)
    assert [one["_id"] for one in documents] == ids
    ada = await arrive(room, "Ada")
    assert ada.messages == texts
    redis.xtrim("room", maxlen=0)
    bob = await arrive(room, "Bob")
    assert bob.messages == texts
    moment = datetime.fromtimestamp(1_700_000_000)
    assert f"[{moment:%d/%m %H:%M}] Ancien a dit : texte 3" in "\n".join(bob.frames)


async def test_copy_under_way(room: Room, redis: Redis, collection: Collection):
    """Des messages pris par un copieur qui n'a rien écrit encore sont lus dans le flux."""
    for number in range(30):
        redis.xadd("room", said(f"copié {number}"))
    first = room.start(II_3)
    await copied(collection, 30)
    await asyncio.to_thread(
        wait_for, lambda: redis.xpending("room", "history")["pending"] == 0, "copie en cours"
    )
    await asyncio.to_thread(first.stop)
    for number in range(5):
        redis.xadd("room", said(f"pris {number}"))
    taken = redis.xreadgroup("history", "mort", {"room": ">"})
    assert len(taken[0][1]) == 5
    server = room.start(II_3)
    ada = await arrive(room, "Ada", server)
    assert ada.messages == [f"copié {n}" for n in range(15, 30)] + [f"pris {n}" for n in range(5)]


# --- Ce que garde MongoDB --------------------------------------------------------------------


async def test_documents(room: Room, redis: Redis, collection: Collection):
    """Deux serveurs copient : chaque message, et rien d'autre, une fois, sous l'id du flux."""
    servers = [room.start(II_3) for _ in range(2)]
    people = await room.gather("Ada", "Bob", "Chloé", servers=servers)
    for number in range(200):
        await people[number % 3].say(f"message {number} 🦊")
    documents = await copied(collection, 200)
    entries = [entry for entry in redis.xrange("room") if entry[1]["kind"] == "say"]
    assert [one["_id"] for one in documents] == [entry_id for entry_id, _ in entries]
    for document, (entry_id, entry) in zip(documents, entries, strict=True):
        assert (document["pseudo"], document["text"]) == (entry["pseudo"], entry["text"])
        moment = document["date"].replace(tzinfo=UTC).timestamp() * 1000
        assert round(moment) == int(entry_id.split("-")[0])
    assert {one["pseudo"] for one in documents} == {"Ada", "Bob", "Chloé"}
    # Une seconde copie ne change rien : tout revient à un copieur neuf, sous les mêmes _id.
    redis.xgroup_setid("room", "history", "0")
    await asyncio.to_thread(wait_for, lambda: everything_copied(redis), "copie incomplète")
    assert await copied(collection, 200) == documents


def everything_copied(redis: Redis) -> bool:
    """Dit si le groupe a tout lu et tout acquitté."""
    [group] = redis.xinfo_groups("room")
    last = redis.xrevrange("room", count=1)[0][0]
    return group["last-delivered-id"] == last and group["pending"] == 0


async def test_restart_of_everything(room: Room, redis: Redis, collection: Collection):
    """Serveur relancé, et même Redis perdu : l'historique est là."""
    first = room.start(II_3)
    ada, bob = await room.gather("Ada", "Bob")
    for number in range(25):
        await ada.say(f"avant {number}")
    await bob.hear("avant 24")
    await copied(collection, 25)
    await asyncio.gather(ada.leave(), bob.leave())
    await asyncio.to_thread(first.stop)
    last = [f"avant {number}" for number in range(5, 25)]
    second = room.start(II_3)
    assert (await arrive(room, "Chloé", second)).messages == last
    await asyncio.to_thread(second.stop)
    redis.flushall()
    third = room.start(II_3)
    zoe = await arrive(room, "Zoé", third)
    assert zoe.messages == last
    eve = await arrive(room, "Eve", third)
    await eve.say("après")
    await zoe.hear("après")
    assert (await arrive(room, "Lin", third)).messages == [*last[1:], "après"]


async def test_messages_held_by_a_dead_copier(room: Room, redis: Redis):
    """Des messages pris par un serveur mort, puis mille annonces : l'historique les a encore."""
    entries = [redis.xadd("room", said(f"retenu {number}")) for number in range(3)]
    redis.xgroup_create("room", "history", "0")
    redis.xreadgroup("history", "mort", {"room": ">"})
    news = {"kind": "enter", "pseudo": "Passant", "author": AUTHOR, "previous": ""}
    with redis.pipeline() as pipeline:
        for _ in range(1000):
            pipeline.xadd("room", news)
        pipeline.execute()
    room.start(II_3)
    ada = await arrive(room, "Ada")
    assert ada.messages == [f"retenu {number}" for number in range(len(entries))]


# --- Sans MongoDB ----------------------------------------------------------------------------


async def test_redis_refuses_the_acknowledgement(redis_url: str, private_mongo: Private):
    """Un lot en attente de MongoDB, puis Redis qui refuse d'écrire : le serveur tient."""
    async with Room(redis_url, f"{private_mongo.url}/tp7") as room:
        room.may_complain = True
        server = room.start(II_3)
        ada, bob = await room.gather("Ada", "Bob")
        private_mongo.stop()
        await ada.say("retenu")
        await asyncio.to_thread(server.wait_line, "MongoDB ne répond pas", 20)
        with Redis.from_url(redis_url) as redis:
            redis.config_set("min-replicas-to-write", 1)
            try:
                private_mongo.start()
                await asyncio.to_thread(server.wait_line, "MongoDB est de retour", 20)
                await ada.say("refusé")
                await ada.see("^Erreur : ")
            finally:
                redis.config_set("min-replicas-to-write", 0)
        await ada.say("passé")
        await bob.hear("passé")
        assert server.alive


async def test_mongo_away(redis_url: str, private_mongo: Private):
    """MongoDB absent au démarrage : un avertissement, le chat marche, l'historique vient du flux et
    le dit. De retour, MongoDB reçoit tout, et l'historique est complet."""
    private_mongo.stop()
    async with Room(redis_url, f"{private_mongo.url}/tp7") as room:
        room.may_complain = True
        server = room.start(II_3)
        ada, bob = await room.gather("Ada", "Bob")
        for number in range(25):
            await ada.say(f"sans {number}")
        await bob.hear("sans 24")
        started = asyncio.get_running_loop().time()
        chloe = await room.join("Chloé")
        await chloe.see(INCOMPLETE)
        assert asyncio.get_running_loop().time() - started < 10 * PATIENCE
        assert chloe.messages == [f"sans {number}" for number in range(5, 25)]
        assert any(DATED.match(line) for line in chloe.frames[-1].split("\n") if INCOMPLETE in line)
        await asyncio.to_thread(server.wait_line, "MongoDB ne répond pas")
        private_mongo.start()
        with MongoClient(private_mongo.url) as client:
            messages = client["tp7"]["messages"]
            await copied(messages, 25)
            dave = await arrive(room, "Dave")
            assert dave.messages == chloe.messages
            assert INCOMPLETE not in dave.lines
        complaints = [line for line in server.lines if "MongoDB ne répond pas" in line]
        assert len(complaints) == 1, server.output
