"""II.3 : l'historique dans MongoDB, ce qu'en lit un nouveau venu, et MongoDB qui s'en va."""

import asyncio
import re
from collections.abc import Iterator

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from redis import Redis
from support.chat import Chatter
from support.processes import Server, refusal
from support.room import II_3, Room, forget
from support.stage import eventually
from support.steps import retry
from support.storage import Private, free_port

SERVER = II_3


@pytest.fixture
def messages(mongo_url: str) -> Iterator[Collection]:
    with MongoClient(mongo_url) as client:
        yield client.get_default_database()["messages"]


async def say_and_store(author: Chatter, messages: Collection, *texts: str) -> None:
    """Parle, et attend que MongoDB ait tout."""
    already = messages.count_documents({})
    for text in texts:
        await author.say(text)

    def stored() -> bool:
        assert not any(line.startswith("Erreur") for line in author.lines), author.lines
        return messages.count_documents({}) == already + len(texts)

    await eventually(stored, f"MongoDB n'a pas {texts}")


async def test_what_is_stored(room: Room, redis: Redis, messages: Collection):
    """Chaque message, et lui seul, avec l'id de son entrée du stream ; la session n'y est pas."""
    ada, bob = await room.gather("Ada", "Bob")
    await say_and_store(ada, messages, "bonjour 🦊", "{$ne: 1}")
    await bob.leave()
    await ada.see("Bob a quitté")
    said = [(one, entry) for one, entry in redis.xrange("room") if " a dit : " in entry["sentence"]]
    assert list(messages.find().sort("_id", 1)) == [
        {"_id": entry_id, **entry, "author": "Ada"} for entry_id, entry in said
    ]
    assert [entry["sentence"] for _, entry in said] == [
        "Ada a dit : bonjour 🦊",
        "Ada a dit : {$ne: 1}",
    ]
    assert ada.session not in str(list(messages.find()))


async def test_newcomer_receives_the_last_20(empty_room: Room, messages: Collection):
    """Sur l'un ou l'autre serveur : les 20 derniers, du plus ancien au plus récent, avec leur
    heure ; qui revient ne les relit pas."""
    here, there = await empty_room.add(2)
    ada = await empty_room.join("Ada", here)
    await say_and_store(ada, messages, *(f"numéro {number}" for number in range(25)))
    bob = await empty_room.join("Bob", there)
    await bob.hear("numéro 24")
    assert bob.messages == [f"numéro {number}" for number in range(5, 25)]
    assert all(re.match(r"\[\d\d:\d\d\] Ada a dit : ", line) for line in bob.frames[1].split("\n"))
    await bob.leave()
    await ada.see("Bob a quitté")
    back = await retry(empty_room, f"ID|{bob.session}", there)
    await ada.say("du neuf")
    await back.hear("du neuf")
    assert back.messages == ["du neuf"]


async def test_history_outlives_servers_and_redis(
    empty_room: Room, redis: Redis, messages: Collection
):
    """Le serveur arrêté et Redis vidé, l'historique reste, avec le jour de ce qui est d'avant."""
    [server] = await empty_room.add()
    await say_and_store(await empty_room.join("Ada"), messages, "d'hier")
    messages.update_one({}, {"$set": {"date": "2026-01-31T08:05:00"}})
    assert await asyncio.to_thread(server.stop) == 0
    redis.flushall()
    [server] = await empty_room.add()
    bob = await empty_room.join("Bob", server)
    await bob.hear("d'hier")
    assert bob.frames[1] == "[31/01 08:05] Ada a dit : d'hier"


async def test_strangers_in_the_collection(room: Room, messages: Collection):
    """Des documents qui ne sont pas de la chatroom ne cachent rien et n'arrêtent personne."""
    room.may_complain = True
    ada = await room.join("Ada")
    messages.insert_many({"texte": "bonjour"} for _ in range(30))
    messages.insert_one({"_id": "9", "sentence": "sans date"})
    messages.insert_one({"_id": "99", "author": 1, "date": 2, "sentence": "date fausse"})
    await say_and_store(ada, messages, "le seul")
    bob = await room.join("Bob")
    await bob.hear("le seul")
    assert bob.frames[1:] == [f"[{bob.frames[1][1:6]}] Ada a dit : le seul"]


@pytest.mark.parametrize(("path", "database"), [("", "tp7"), ("/salle", "salle")])
async def test_database_of_the_url(
    redis_url: str, private_mongo: Private, path: str, database: str
):
    """Sans nom de base dans MONGO_URL, c'est `tp7`."""
    async with Room(redis_url, private_mongo.url + path, SERVER) as room:
        await room.add()
        with MongoClient(private_mongo.url) as client:
            await say_and_store(await room.join("Ada"), client[database]["messages"], "rangé")


async def test_mongo_goes_away(redis_url: str, private_mongo: Private):
    """MongoDB tué, puis revenu : chaque message passe, son auteur sait qu'il manque à l'historique,
    un nouveau venu aussi, personne n'est fermé."""
    async with Room(redis_url, private_mongo.url, SERVER) as room:
        await room.add()
        ada, bob = await room.gather("Ada", "Bob")
        private_mongo.kill()
        await ada.say("hors de l'historique")
        await bob.hear("hors de l'historique")
        await ada.see("^Erreur : MongoDB ne répond pas, message hors de l'historique$")
        late = await room.join("Retardataire")
        await late.see("^Erreur : MongoDB ne répond pas, pas d'historique$")
        private_mongo.start()
        forget(bob)
        with MongoClient(private_mongo.url) as client:
            await say_and_store(bob, client["tp7"]["messages"], "retrouvé")
        chloe = await room.join("Chloé")
        await chloe.hear("retrouvé")
        assert chloe.messages == ["retrouvé"]


def test_mongo_absent_at_start(redis_url: str):
    """MongoDB peut manquer au départ, mais une adresse mal écrite se dit en une phrase."""
    server = Server(SERVER, REDIS_URL=redis_url, MONGO_URL=f"mongodb://127.0.0.1:{free_port()}")
    try:
        assert server.stop() == 0 and len(server.lines) == 1
    finally:
        server.kill()
    for url in "mongodb://", "mongodb://127.0.0.1:abc", "mongodb://u:secret:x@w@h":
        sentence = refusal(SERVER, REDIS_URL=redis_url, MONGO_URL=url)
        assert "MONGO_URL" in sentence and "secret" not in sentence
