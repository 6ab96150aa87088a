"""L'historique, du flux à MongoDB et de MongoDB à l'écran, quand MongoDB s'en va ou refuse."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from redis import Redis
from support.chat import Chatter
from support.crowd import Crowd, check_exact, in_ms, lost_and_doubled, percentile
from support.forms import forms, report
from support.processes import PATIENCE, wait_for
from support.room import Room
from support.stage import eventually, stage

INCOMPLETE = "historique incomplet, MongoDB ne répond pas"
STREAM = "{chatroom}:room"


@pytest.fixture
def collection(mongo_url: str) -> Iterator[Collection]:
    with MongoClient(mongo_url) as client:
        yield client.get_default_database()["chatroom"]


def said(text: str) -> dict[str, str]:
    """Une entrée du flux : quelqu'un, autrefois, a dit cela."""
    return {"kind": "say", "pseudo": "Ancien", "author": "0123456789abcdef", "text": text}


async def copied(collection: Collection, count: int) -> list[dict]:
    """Attend que la collection ait `count` documents, et les rend dans l'ordre de l'historique."""

    def full() -> bool:
        return collection.count_documents({}) >= count

    await asyncio.to_thread(wait_for, full, f"pas {count} messages dans MongoDB", 20)
    return list(collection.find().sort("order", 1))


async def arrive(room: Room, pseudo: str, server=None) -> Chatter:
    """Fait entrer quelqu'un, et attend que son historique soit passé : une phrase dite après son
    entrée arrive après lui."""
    newcomer = await room.join(pseudo, server)
    await (await room.join(f"Crieur de {pseudo}", server)).leave()
    await newcomer.see(f"Crieur de {pseudo} a quitté")
    return newcomer


# --- MongoDB s'en va, et revient -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("strike", "mend"), [("kill", "start"), ("freeze", "thaw")], ids=["tué", "figé"]
)
@forms(short={"rate": 20, "seconds": 4}, long={"rate": 50, "seconds": 20}, together=True)
async def test_away(storage, program, strike, mend, rate, seconds):
    """MongoDB s'en va et revient : la salle n'attend pas, l'historique est complet."""
    async with stage(storage, program) as room:
        crowd = Crowd(room)
        for side, server in enumerate(room.servers):
            await crowd.arrive(server, *(f"auteur {side}{number}" for number in range(4)))
        witness = await room.join("témoin")
        crowd.start(rate)
        await witness.until(lambda: len(witness.messages) > 40, "le trafic")
        await asyncio.to_thread(getattr(room.mongo, strike))
        fell = time.perf_counter()
        newcomer = await room.join("nouveau", room.servers[1])
        await newcomer.until(lambda: newcomer.messages, "les derniers messages, sans MongoDB", 5)
        welcomed = time.perf_counter() - fell
        await asyncio.sleep(seconds)
        back = time.perf_counter()
        await asyncio.to_thread(getattr(room.mongo, mend))
        late = await room.join("retardataire")
        await crowd.end(witness, newcomer, late)
        in_stream, in_mongo = room.said(), await room.until_copied(timeout=60)
        assert in_mongo == in_stream, lost_and_doubled(in_stream, in_mongo)
        check_exact(in_stream, witness.messages, newcomer.messages, late.messages)
        assert newcomer.announced(INCOMPLETE) == 1, newcomer.summary()
        waits = crowd.latencies(witness, fell, back)
    p99 = in_ms(percentile(waits, 99))
    report(f"MongoDB : {strike}", messages=len(in_stream), accueil=f"{welcomed:.1f} s", p99=p99)


@forms(short={"rate": 20}, long={"rate": 100}, together=True)
async def test_absent_at_start(storage, program, rate):
    """MongoDB absent au départ : un avertissement par serveur, la salle parle, un nouveau venu
    reçoit en une seconde ce que tient le flux, et tout sera copié."""
    async with stage(storage, program, servers=0) as room:
        await asyncio.to_thread(room.mongo.stop)
        await room.add(2)
        for server in room.servers:  # dit même quand il n'y a rien à copier
            await asyncio.to_thread(server.wait_line, "MongoDB ne répond pas")
        crowd = Crowd(room)
        await crowd.arrive(room.servers[0], "Ali", "Bea")
        witness = await room.join("témoin", room.servers[1])
        crowd.start(rate)
        await witness.until(lambda: len(witness.messages) > 40, "le trafic")
        start = time.perf_counter()
        newcomer = await room.join("nouveau", room.servers[1])
        await newcomer.until(lambda: len(newcomer.messages) >= 20, "les derniers messages")
        assert time.perf_counter() - start < 1.5 * PATIENCE
        await asyncio.to_thread(room.mongo.start)
        await crowd.end(witness, newcomer)
        in_stream = room.said()
        check_exact(in_stream, witness.messages, newcomer.messages)
        assert newcomer.announced(INCOMPLETE) == 1, newcomer.summary()
        in_mongo = await room.until_copied(timeout=60)
        assert in_mongo == in_stream, lost_and_doubled(in_stream, in_mongo)
        for server in room.servers:  # qui n'a rien à copier y regarde toutes les 5 s
            await asyncio.to_thread(server.wait_line, "MongoDB est de retour", 20)
            warnings = sum("MongoDB ne répond pas" in line for line in server.lines)
            assert warnings == 1, server.output
    report("MongoDB absent au départ", messages=len(in_stream), perdus=0)


@pytest.mark.together
async def test_redis_refuses_the_acknowledgement(storage, program):
    """Un lot en attente de MongoDB, puis Redis qui refuse d'écrire : la copie finit quand même."""
    async with stage(storage, program, servers=1) as room:
        ada, bob = await room.gather("Ada", "Bob")
        await asyncio.to_thread(room.mongo.stop)
        await ada.say("retenu")
        [server] = room.servers
        await asyncio.to_thread(server.wait_line, "MongoDB ne répond pas", 20)
        room.keys.config_set("min-replicas-to-write", 1)
        await asyncio.to_thread(room.mongo.start)
        await asyncio.to_thread(server.wait_line, "MongoDB est de retour", 20)
        await ada.say("refusé")
        await ada.see("^Erreur : ")
        room.keys.config_set("min-replicas-to-write", 0)
        await ada.say("passé")
        await bob.hear("passé")
        assert await room.until_copied() == ["retenu", "passé"]


# --- MongoDB refuse ------------------------------------------------------------------------------


async def test_refused_document(room: Room, collection: Collection):
    """Un index unique d'un autre fait refuser un message : il est mis à part et nommé, avec la
    raison de MongoDB, et les suivants sont copiés."""
    collection.create_index("text", unique=True)
    room.may_complain = True
    [server] = await room.add()
    ada, bob = await room.gather("Ada", "Bob")
    for text in "un", "deux", "un", "trois", "deux", "quatre":
        await ada.say(text)
    await bob.hear("quatre")
    await copied(collection, 4)
    await ada.say("cinq")
    documents = await copied(collection, 5)
    assert [one["text"] for one in documents] == ["un", "deux", "trois", "quatre", "cinq"]
    await asyncio.to_thread(server.wait_line, r"message \d{13}-\d+ .*(E11000|UNIQUE)")
    assert "MongoDB ne répond pas" not in server.output, server.output
    zoe = await arrive(room, "Zoé")
    assert INCOMPLETE not in "\n".join(zoe.lines)


# --- Ce que reçoit un nouveau venu ---------------------------------------------------------------


@pytest.mark.parametrize("copy_first", [True, False], ids=["copiés", "à peine dits"])
async def test_last_twenty(room: Room, collection: Collection, copy_first: bool):
    """Les 20 derniers messages, et eux seuls, puis le direct ; qu'ils soient déjà dans MongoDB ou
    encore dans le flux. Au retour, la suite, et pas l'historique."""
    await room.add()
    empty = await arrive(room, "Premier")
    assert not empty.messages and empty.lines[0] == f"ID|{empty.session}"
    witness, ada, bob = await room.gather("Témoin", "Ada", "Bob")
    for number in range(30):
        await (ada if number % 2 else bob).say(f"message {number}")
    await witness.until(lambda: len(witness.lines) == 30, "tous les messages")
    last = witness.lines[10:]
    if copy_first:
        await copied(collection, 30)
    chloe = await arrive(room, "Chloé")
    await ada.say("en direct")
    await chloe.hear("en direct")
    assert chloe.lines[0] == f"ID|{chloe.session}"
    assert chloe.lines[1:21] == last
    assert [line for line in chloe.lines[21:] if "Crieur" not in line] == ["Ada a dit : en direct"]
    await chloe.leave()
    await ada.see("Chloé a quitté")
    await ada.say("manqué")
    await bob.hear("manqué")
    back = await room.come_back(chloe.session)
    await ada.say("de nouveau en direct")
    await back.hear("de nouveau en direct")
    assert back.messages[-2:] == ["manqué", "de nouveau en direct"]
    assert set(back.messages[:-2]) <= {"en direct"}  # quelques secondes ont le droit de revenir


async def test_order_is_the_stream_s(room: Room, redis: Redis, collection: Collection):
    """Les ids du flux se rangent comme des nombres, et une ligne d'un autre jour porte sa date."""
    ids = ["999999999999-0", "1700000000000-9", "1700000000000-10", "1700000000000-11"]
    texts = [f"texte {number}" for number in range(4)]
    for entry_id, text in zip(ids, texts, strict=True):
        redis.xadd(STREAM, said(text), id=entry_id)
    await room.add()
    assert [one["_id"] for one in await copied(collection, 4)] == ids
    assert (await arrive(room, "Ada")).messages == texts
    redis.xtrim(STREAM, maxlen=0)
    bob = await arrive(room, "Bob")
    assert bob.messages == texts
    moment = datetime.fromtimestamp(1_700_000_000)
    assert f"[{moment:%d/%m %H:%M}] Ancien a dit : texte 3" in "\n".join(bob.frames)


# --- Ce que garde MongoDB ------------------------------------------------------------------------


async def test_documents(room: Room, redis: Redis, collection: Collection):
    """Deux serveurs copient : chaque message, et rien d'autre, une fois, sous l'id du flux."""
    people = await room.gather("Ada", "Bob", "Chloé", servers=await room.add(2))
    for number in range(200):
        await people[number % 3].say(f"message {number} 🦊")
    documents = await copied(collection, 200)
    entries = [entry for entry in redis.xrange(STREAM) if entry[1]["kind"] == "say"]
    assert [one["_id"] for one in documents] == [entry_id for entry_id, _ in entries]
    for document, (entry_id, entry) in zip(documents, entries, strict=True):
        assert (document["pseudo"], document["text"]) == (entry["pseudo"], entry["text"])
        moment = document["date"].replace(tzinfo=UTC).timestamp() * 1000
        assert round(moment) == int(entry_id.split("-")[0])
    # Une seconde copie ne change rien : tout revient à un copieur neuf, sous les mêmes _id.
    redis.xgroup_setid(STREAM, "history", "0")
    await asyncio.to_thread(wait_for, lambda: everything_copied(redis), "copie incomplète")
    assert await copied(collection, 200) == documents


def everything_copied(redis: Redis) -> bool:
    """Dit si le groupe a tout lu et tout acquitté."""
    [group] = redis.xinfo_groups(STREAM)
    last = redis.xrevrange(STREAM, count=1)[0][0]
    return group["last-delivered-id"] == last and group["pending"] == 0


async def test_restart_of_everything(room: Room, redis: Redis, collection: Collection):
    """Serveur relancé, et même Redis perdu sous ses pieds : l'historique est là, et continue."""
    room.may_complain = True
    [first] = await room.add()
    ada, bob = await room.gather("Ada", "Bob")
    for number in range(25):
        await ada.say(f"avant {number}")
    await bob.hear("avant 24")
    await copied(collection, 25)
    await asyncio.to_thread(first.stop)
    last = [f"avant {number}" for number in range(5, 25)]
    [second] = await room.add()
    assert (await arrive(room, "Chloé", second)).messages == last
    redis.flushall()
    zoe = await arrive(room, "Zoé", second)
    assert zoe.messages == last
    eve = await arrive(room, "Eve", second)
    await eve.say("après")
    await zoe.hear("après")
    await copied(collection, 26)
    assert (await arrive(room, "Lin", second)).messages == [*last[1:], "après"]
    await eventually(lambda: everything_copied(redis), "copie incomplète")
