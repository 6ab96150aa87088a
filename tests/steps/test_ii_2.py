"""II.2 : ce que Redis retient, deux serveurs pour une salle, le retour, et Redis qui s'en va."""

import ast
import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from redis import Redis
from support.chat import Chatter
from support.processes import ROOT, changed, refusal
from support.room import II_2, II_3, Room, forget
from support.steps import retry
from support.storage import Private, free_port

SERVER = II_2
WITH_REDIS = (II_2, II_3)


@pytest.fixture
async def two(empty_room: Room) -> Room:
    """Une salle que tiennent deux serveurs."""
    await empty_room.add(2)
    return empty_room


@contextmanager
def answered(*authors: Chatter) -> Iterator[Counter]:
    """Compte ce qui est répondu par une erreur pendant le bloc."""
    for author in authors:
        author.forget()
    count: Counter = Counter()
    yield count
    count["erreurs"] = sum(line.startswith("Erreur : ") for one in authors for line in one.lines)


# --- Sans variable globale -----------------------------------------------------------------------


@pytest.mark.parametrize("script", WITH_REDIS)
def test_no_registry_of_clients(script: str):
    """Au premier niveau, que des constantes ; d'une connexion, un seul attribut : `session`."""
    tree = ast.parse((ROOT / script).read_text(encoding="utf-8"))
    kept = ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            assert not any(isinstance(one, kept) for one in ast.walk(node)), ast.unparse(node)
    targets = [
        target for one in ast.walk(tree) if isinstance(one, ast.Assign) for target in one.targets
    ]
    poked = {ast.unparse(target) for target in targets if isinstance(target, ast.Attribute)}
    assert poked == {"websocket.session"}
    assert not any(isinstance(node, ast.Global | ast.Nonlocal) for node in ast.walk(tree))


# --- Ce que Redis retient ------------------------------------------------------------------------


async def test_what_is_written(room: Room, redis: Redis):
    """Arriver, parler et partir s'écrivent ; au départ le pseudo est libre et la session expire."""
    ada, bob = await room.gather("Ada", "BOB")
    key = f"session:{bob.session}"
    assert redis.hgetall("pseudos") == {"ada": ada.session, "bob": bob.session}
    assert redis.hgetall(key) == {"pseudo": "BOB", "connected": "1"}
    assert redis.ttl(key) == -1
    await bob.say("bonjour")
    await ada.hear("bonjour")
    await bob.leave()
    await ada.see("BOB a quitté")
    entries = [entry for _, entry in redis.xrange("room")]
    assert [entry["sentence"] for entry in entries if entry["author"] == bob.session] == [
        "Annonce : BOB a rejoint la chatroom",
        "BOB a dit : bonjour",
        "Annonce : BOB a quitté la chatroom",
    ]
    assert all(entry["date"].startswith(f"{date.today():%Y-}") for entry in entries)
    await ada.until(lambda: redis.hgetall("pseudos") == {"ada": ada.session}, "pseudo libre")
    assert redis.hgetall(key) == {"pseudo": "BOB", "connected": "0"}
    assert 3590 < redis.ttl(key) <= 3600


@pytest.mark.parametrize("script", WITH_REDIS)
async def test_two_servers_make_one_room(two: Room):
    """Sur deux serveurs, chacun entend tout le monde, une fois ; l'ordre est le même pour tous."""
    crowd = await two.gather(*(f"P{number}" for number in range(6)), servers=two.servers)
    for turn in range(20):
        await asyncio.gather(*(one.say(f"{number}-{turn}") for number, one in enumerate(crowd)))
    everything: dict[str, None] = {}
    for one in crowd:
        await one.until(lambda one=one: len(one.messages) >= 100, "attend les autres")
        assert len(set(one.messages)) == len(one.messages) == 100
        everything |= dict.fromkeys(one.messages)
    first = crowd[0].messages
    for one in crowd[1:]:
        common = [text for text in one.messages if text in first]
        assert common == [text for text in first if text in common]
    assert len(everything) == 120


@pytest.mark.parametrize("script", WITH_REDIS)
async def test_race_for_a_pseudo(two: Room):
    """50 personnes veulent le même pseudo sur deux serveurs à la fois : une seule l'a."""
    racers = await asyncio.gather(
        *(two.open(f"Hello|{'Ana' if n % 3 else 'ANA'}", two.servers[n % 2]) for n in range(50))
    )
    for racer in racers:
        await racer.until(lambda racer=racer: racer.frames, "attend une réponse")
    losers = [racer for racer in racers if not racer.session]
    assert [await loser.closed() for loser in losers] == [4003] * 49


async def test_several_lines_in_one_frame(room: Room, redis: Redis):
    """Ce qui arrive ensemble part ensemble : 100 entrées ne font pas 100 trames."""
    ada = await room.join("Ada")
    forget(ada)
    with redis.pipeline() as pipe:
        for number in range(100):
            entry = {
                "author": "x",
                "date": "2026-01-31T08:05:00",
                "sentence": f"Eve a dit : {number}",
            }
            pipe.xadd("room", entry)
        pipe.execute()
    await ada.hear("99")
    assert ada.messages == list(map(str, range(100))) and len(ada.frames) < 10
    assert ada.frames[0].startswith("[31/01 08:05] Eve a dit : 0")


@pytest.mark.parametrize("script", WITH_REDIS)
async def test_strangers_in_redis(room: Room, redis: Redis):
    """Une entrée, une clé, un type qui ne sont pas de la chatroom : écartés, dits une fois, et la
    salle continue."""
    room.may_complain = True
    ada, bob = await room.gather("Ada", "Bob")
    redis.xadd("room", {"texte": "bonjour"})
    redis.xadd("room", {"author": "x", "date": "hier", "sentence": "bonjour"})
    redis.xadd("room", {b"\xff": b"\xff"})
    redis.xadd("room", {"author": "x", "date": "2026-01-31", "sentence": b"for\xe9\n[00:00] ge"})
    redis.set("session:texte", "bonjour")
    redis.hset("session:autre", "clé", "valeur")
    assert await (await room.open("ID|texte")).closed() == 1013
    assert await (await room.open("ID|autre")).closed() == 4002
    redis.rename("room", "ailleurs")
    redis.set("room", "bonjour")
    await ada.say("où suis-je ?")
    await ada.see("^Erreur : Redis")
    redis.rename("ailleurs", "room")
    await ada.say("et maintenant ?")
    await bob.hear("et maintenant ?")
    assert "for\ufffd [00:00] ge" in bob.lines
    [server] = room.servers
    assert await asyncio.to_thread(server.stop) == 0  # dès lors, tout ce qu'il a écrit est lu
    complaints = server.lines[1:]
    assert len(complaints) == 3 and all("n'est pas de la chatroom" in one for one in complaints)


# --- Revenir -------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", WITH_REDIS)
async def test_coming_back(two: Room, redis: Redis):
    """Par ID|, sur l'un ou l'autre serveur : « Welcome back » pour soi, « est de retour » pour les
    autres, et la session n'expire plus."""
    here, there = two.servers
    ada, bob = await two.gather("Ada", "Bob", servers=[here, there])
    await bob.cut()
    await ada.see("Bob a quitté")
    back = await retry(two, f"ID|{bob.session}", here)
    assert back.lines[0] == "Welcome back Bob !"
    await ada.see("^Annonce : Bob est de retour !$")
    await back.say("me revoilà")
    await ada.hear("me revoilà")
    assert redis.hgetall(f"session:{bob.session}") == {"pseudo": "Bob", "connected": "1"}
    assert redis.ttl(f"session:{bob.session}") == -1
    assert not any(frame.startswith("ID|") for frame in back.frames)


async def test_return_too_soon(room: Room):
    """Tant que la connexion d'avant est là, un retour est refusé avec 1013, sans la gêner."""
    ada, bob = await room.gather("Ada", "Bob")
    too_soon = await room.open(f"ID|{bob.session}")
    assert await too_soon.closed() == 1013
    await bob.say("toujours là")
    await ada.hear("toujours là")
    assert ada.lines == ["Bob a dit : toujours là"]


async def test_return_too_late(empty_room: Room, tmp_path: Path):
    """Le pseudo pris entre-temps : 4003. La session expirée : 4002."""
    empty_room.start(changed(tmp_path, SERVER, ("SESSION_TTL = 3600", "SESSION_TTL = 2")))
    ada, bob = await empty_room.gather("Ada", "Bob")
    await bob.leave()
    await ada.see("Bob a quitté")
    await retry(empty_room, "Hello|BOB")
    assert await (await empty_room.open(f"ID|{bob.session}")).closed() == 4003
    await asyncio.sleep(2.2)  # pas au hasard : la durée d'une session, et un peu plus
    assert await (await empty_room.open(f"ID|{bob.session}")).closed() == 4002


# --- Redis s'en va -------------------------------------------------------------------------------


@pytest.mark.parametrize("script", WITH_REDIS)
@pytest.mark.parametrize("accident", ["figé", "relancé", "tué"])
async def test_redis_goes_away(script: str, accident: str, private_redis: Private, mongo_url: str):
    """Chaque message est livré ou répondu par une erreur, aucun deux fois ; personne n'est fermé,
    et le chat reprend quand Redis revient."""
    async with Room(private_redis.url, mongo_url, script) as room:
        await room.add(2)
        *crowd, witness = await room.gather("P0", "P1", "P2", "P3", "Témoin", servers=room.servers)
        sent: list[str] = []
        over = asyncio.Event()

        async def talk(author: Chatter, number: int) -> None:
            while not over.is_set():
                sent.append(f"{number}-{len(sent)}")
                await author.say(sent[-1])
                await asyncio.sleep(0.02)

        with answered(*crowd) as count:
            talks = [asyncio.create_task(talk(one, number)) for number, one in enumerate(crowd)]
            await witness.until(lambda: len(witness.messages) > 40, "du trafic")
            if accident == "figé":
                private_redis.freeze()
                await asyncio.sleep(2)
                private_redis.thaw()
            else:
                private_redis.kill() if accident == "tué" else private_redis.stop()
                late = await room.open("Hello|Retardataire")
                assert await late.closed(15) == 1013
                await asyncio.to_thread(private_redis.start)
            heard = len(witness.messages)
            await witness.until(lambda: len(witness.messages) > heard + 40, "la reprise", 20)
            over.set()
            await asyncio.gather(*talks)
            for number, author in enumerate(crowd):
                await author.say(f"fin {number}")
                await witness.hear(f"fin {number}")
        heard_by_all = Counter(text for text in witness.messages if not text.startswith("fin"))
        assert set(heard_by_all.values()) == {1}
        assert len(sent) - len(heard_by_all) <= count["erreurs"]
        if accident == "figé":
            assert len(sent) == len(heard_by_all)


@pytest.mark.parametrize("script", WITH_REDIS)
def test_redis_absent_at_start(script: str):
    """Personne à l'adresse de Redis, ou une adresse qui n'en est pas une : une phrase, code 1."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    assert "lance « python databases.py »" in refusal(script, REDIS_URL=url)
    for url in "pas une adresse", "redis://:secret@h:abc/0", "redis://127.0.0.1/0?zut=1":
        sentence = refusal(script, REDIS_URL=url)
        assert "REDIS_URL" in sentence and "secret" not in sentence


async def test_redis_refuses(redis_url: str):
    """Redis répond, mais refuse : la phrase dit sa raison."""
    assert "DB index is out of range" in refusal(SERVER, REDIS_URL=redis_url.replace("/0", "/4096"))
    with Redis.from_url(redis_url) as redis:
        redis.set("room", "bonjour")
    assert "WRONGTYPE" in refusal(SERVER, REDIS_URL=redis_url)
