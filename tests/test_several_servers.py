"""Étapes II.2 et II.3 : plusieurs serveurs, une seule salle, et ce que Redis en garde."""

import asyncio
import re
import signal
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest
from redis import Redis
from support.chat import Chatter, settle
from support.faults import proxy_for
from support.processes import PATIENCE, Server, wait_for
from support.room import II_2, II_3, Room, forget
from support.storage import Private

each_server = pytest.mark.parametrize("script", [II_2, II_3])
each_pair = pytest.mark.parametrize(
    "scripts", [(II_2, II_2), (II_3, II_3), (II_2, II_3)], ids=["II.2", "II.3", "II.2 et II.3"]
)


@pytest.fixture
async def room(redis_url: str, mongo_url: str):
    """Une salle où le test démarre ses serveurs lui-même."""
    async with Room(redis_url, mongo_url) as room:
        yield room


@pytest.fixture
async def pair(room: Room, scripts: tuple[str, str]) -> tuple[Server, Server]:
    """Deux serveurs de la même salle."""
    return tuple(room.start(script) for script in scripts)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


# --- Une seule salle -------------------------------------------------------------------------


@each_pair
async def test_one_chat(room: Room, pair: tuple[Server, Server]):
    """Arrivée, parole, départ, retour : tout passe d'un serveur à l'autre, une fois."""
    ada, bob, chloe = await room.gather("Ada", "Bob", "Chloé", servers=pair)
    await bob.say("bonjour")
    await ada.hear("bonjour")
    await ada.say("salut")
    await bob.hear("salut")
    await bob.leave()
    await ada.see("Bob a quitté")
    await room.come_back(bob.session, pair[0])
    await ada.see("Bob est de retour")
    zoe = await room.join("Zoé", pair[1])
    await zoe.say("fin")
    await asyncio.gather(ada.hear("fin"), chloe.hear("fin"))
    around = [
        "Annonce : Bob a quitté la chatroom",
        "Annonce : Bob est de retour !",
        "Annonce : Zoé a rejoint la chatroom",
        "Zoé a dit : fin",
    ]
    assert ada.lines == ["Bob a dit : bonjour", *around]
    assert chloe.lines == ["Bob a dit : bonjour", "Ada a dit : salut", *around]


@each_pair
async def test_same_order_on_both(room: Room, pair: tuple[Server, Server]):
    """20 personnes de deux serveurs parlent à la fois : tous lisent le même ordre."""
    first, second = await room.gather("Témoin 1", "Témoin 2", servers=pair)
    crowd = await asyncio.gather(*(room.join(f"P{n}", pair[n % 2]) for n in range(20)))
    for turn in range(10):
        await asyncio.gather(*(one.say(f"{n}-{turn}") for n, one in enumerate(crowd)))
    for witness in first, second:
        await witness.until(lambda w=witness: len(w.messages) == 200, "attend tous les messages")
    assert first.messages == second.messages
    assert len(set(first.messages)) == 200
    for number, chatter in enumerate(crowd):
        own = re.compile(rf"{number}-")
        expected = [text for text in first.messages if not own.match(text)]
        await chatter.until(lambda c=chatter: len(c.messages) >= 190, "attend les autres")
        assert chatter.messages == expected


async def test_rooms_are_apart(room: Room, redis_url: str):
    """Deux bases du même Redis sont deux salles."""
    here = room.start(II_2)
    elsewhere = room.start(II_2, REDIS_URL=redis_url.replace("/0", "/1"))
    ada, bob = await room.gather("Ada", "Bob", servers=[here])
    other_ada, other_bob = await room.gather("Ada", "Bob", servers=[elsewhere])
    await ada.say("ici")
    await other_ada.say("ailleurs")
    await bob.hear("ici")
    await other_bob.hear("ailleurs")
    assert bob.messages == ["ici"] and other_bob.messages == ["ailleurs"]


@each_pair
async def test_pseudo_is_unique_everywhere(room: Room, pair: tuple[Server, Server]):
    """Pris sur un serveur, un pseudo l'est sur l'autre, et se libère pour les deux."""
    ada, bob = await room.gather("Ada", "Bob", servers=pair)
    twin = await room.open("Hello|ADA", pair[1])
    assert await twin.closed() == 4003
    await ada.leave()
    await bob.see("Ada a quitté")
    await room.join("ADA", pair[1])


@each_pair
async def test_race_for_a_pseudo(room: Room, pair: tuple[Server, Server]):
    """Le même pseudo demandé au même instant à deux serveurs : un seul l'obtient, vingt fois."""
    strangers = [await room.open(server=pair[number % 2]) for number in range(80)]
    witness = await room.join("Témoin", pair[0])
    await asyncio.gather(
        *(one.say(f"Hello|Course {number // 4}") for number, one in enumerate(strangers))
    )
    for stranger in strangers:
        await stranger.until(lambda s=stranger: s.frames, "attend une réponse")
    for race in range(20):
        answers = [stranger.frames[0][:3] for stranger in strangers[4 * race : 4 * race + 4]]
        assert sorted(answers) == ["Err", "Err", "Err", "ID|"], race
    await witness.until(lambda: len(witness.lines) > 20, "attend toutes les arrivées")
    arrivals = Counter(line for line in witness.lines if "a rejoint" in line)
    assert set(arrivals.values()) == {1} and len(arrivals) == 20


@each_pair
async def test_coming_back_elsewhere(room: Room, pair: tuple[Server, Server]):
    """On revient sur l'autre serveur avec son ID|, et l'on y reçoit tout ce qu'on a manqué."""
    ada, bob, chloe = await room.gather("Ada", "Bob", "Chloé", servers=pair)
    await bob.cut()
    await ada.see("Bob a quitté")
    missed = [f"absent {number}" for number in range(120)]
    for text in missed:
        await ada.say(text)
    await chloe.hear(missed[-1])
    back = await room.come_back(bob.session, pair[0])
    await ada.see("Bob est de retour")
    await ada.say("en direct")
    await back.hear("en direct")
    assert back.messages == [*missed, "en direct"]


@each_pair
async def test_taken_over_from_elsewhere(room: Room, pair: tuple[Server, Server]):
    """Reprise sur l'autre serveur, une session ne parle plus que de là : l'ancien client lit 4001,
    et les autres ne voient qu'un retour."""
    ada, first = await room.gather("Ada", "Bob", servers=pair)
    second = await room.come_back(first.session, pair[0])
    assert await first.closed() == 4001
    await second.say("d'ici")
    await ada.hear("d'ici")
    third = await room.come_back(first.session, pair[1])
    assert await second.closed() == 4001
    await third.leave()
    await ada.see("Bob a quitté")
    await room.join("Bob", pair[1])
    await ada.see("Bob a rejoint")
    assert ada.lines == [
        "Annonce : Bob est de retour !",
        "Bob a dit : d'ici",
        "Annonce : Bob est de retour !",
        "Annonce : Bob a quitté la chatroom",
        "Annonce : Bob a rejoint la chatroom",
    ]


@each_server
async def test_everyone_at_the_same_instant(room: Room, script: str):
    """150 personnes de deux serveurs parlent au même instant : rien ne se perd, rien ne double."""
    pair = [room.start(script) for _ in range(2)]
    crowd = await asyncio.gather(*(room.join(f"P{n}", pair[n % 2]) for n in range(150)))
    await asyncio.gather(*(one.say(f"de {number}") for number, one in enumerate(crowd)))
    said = {f"de {number}" for number in range(150)}
    for number, chatter in enumerate(crowd):
        await chatter.until(lambda c=chatter: len(c.messages) >= 149, "attend tous les messages")
        assert sorted(chatter.messages) == sorted(said - {f"de {number}"})


@each_server
async def test_many_lines_in_one_frame(room: Room, script: str):
    """Sous la charge, plusieurs lignes arrivent dans une même trame."""
    room.start(script)
    witness, ada, bob = await room.gather("Témoin", "Ada", "Bob")

    async def talk(chatter: Chatter) -> None:
        for number in range(200):
            await chatter.say(str(number))

    await asyncio.gather(talk(ada), talk(bob))
    await witness.until(lambda: len(witness.messages) == 400, "attend tous les messages")
    assert len(witness.frames) < 200
    assert max(frame.count("\n") for frame in witness.frames) >= 4


# --- Ce que Redis garde ----------------------------------------------------------------------


@each_server
async def test_session_in_redis(room: Room, redis: Redis, script: str):
    """À l'arrivée une session s'écrit, au départ elle change ; elle a toujours une échéance."""
    server = room.start(script, SESSION_TTL="1000")
    assert redis.keys("session:*") == []
    ada, bob = await room.gather("Ada", "Bob")
    key = f"session:{bob.session}"
    before = redis.hgetall(key)
    assert before["pseudo"] == "Bob" and before["connected"] == "1"
    assert before["server"] == server.url.removeprefix("ws://")
    assert abs(int(before["since"]) - redis.time()[0]) < 60
    assert 900 < redis.ttl(key) <= 1000
    assert redis.zscore("online", key) > redis.time()[0]
    await bob.leave()
    await ada.see("Bob a quitté")
    after = redis.hgetall(key)
    assert after["connected"] == "0" and after["pseudo"] == "Bob"
    assert redis.zscore("online", key) is None
    assert 900 < redis.ttl(key) <= 1000


@each_server
async def test_nothing_stays_for_ever(room: Room, redis: Redis, script: str):
    """Tout le monde parti, il ne reste que des clés à échéance, et le flux, qui est borné."""
    room.start(script)
    people = await room.gather(*(f"P{number}" for number in range(10)))
    for chatter in people:
        await chatter.say("bonjour")
    await asyncio.gather(*(chatter.leave() for chatter in people))
    wait_for(lambda: redis.zcard("online") == 0, "des sessions restent présentes")
    for key in redis.keys("*"):
        assert key == "room" or redis.ttl(key) > 0, f"{key} n'a pas d'échéance"


async def test_presence_is_renewed(room: Room, redis: Redis):
    """L'échéance d'une session avance tant que son client est là, sur l'un et l'autre serveur."""
    people = await room.gather("Ada", "Bob", servers=[room.start(II_2), room.start(II_3)])
    keys = [f"session:{chatter.session}" for chatter in people]
    first = max(redis.zscore("online", key) for key in keys)
    for key in keys:
        redis.expire(key, 20)

    def renewed() -> bool:
        return all(redis.zscore("online", key) > first for key in keys)

    await asyncio.to_thread(wait_for, renewed, "échéance immobile", 15)
    assert all(redis.ttl(key) > 20 for key in keys)
    assert people[0].lines == people[1].lines == []


@pytest.mark.endurance
async def test_ten_minutes_of_silence(room: Room):
    """Dix minutes sans un mot : personne n'est parti, rien n'a été écrit, et la salle vit."""
    people = await room.gather("Ada", "Bob", "Cléo", servers=[room.start(II_2), room.start(II_3)])
    ends = [asyncio.create_task(chatter.websocket.wait_closed()) for chatter in people]
    closed, _ = await asyncio.wait(ends, timeout=600, return_when=asyncio.FIRST_COMPLETED)
    assert not closed and [chatter.lines for chatter in people] == [[], [], []]
    await people[0].say("toujours là ?")
    for chatter in people[1:]:
        await chatter.hear("toujours là ?")
    for end in ends:
        end.cancel()


@each_server
async def test_stream_is_bounded(room: Room, redis: Redis, script: str):
    """Le flux ne garde qu'un nombre dit d'entrées."""
    with redis.pipeline(transaction=False) as pipeline:
        entry = {"kind": "say", "pseudo": "Ada", "text": "vieux"}
        entry["author"] = "00000000-0000-4000-8000-000000000000"
        for _ in range(55_000):
            pipeline.xadd("room", entry)
        pipeline.execute()
    room.start(script)
    ada, bob = await room.gather("Ada", "Bob")
    await ada.say("nouveau")
    await bob.hear("nouveau")
    assert 50_000 <= redis.xlen("room") <= 50_000 + 200  # « ~ » : à un nœud de 100 entrées près


@each_server
async def test_commands_seen(room: Room, redis: Redis, script: str):
    """Ce que Redis voit passer : des scripts pour arriver, parler, partir ; un lecteur par serveur,
    quelques connexions, et jamais une commande par client."""
    room.start(script)
    at_rest = len(redis.client_list(_type="normal"))
    with redis.monitor() as monitor:
        crowd = await asyncio.gather(*(room.join(f"P{number}") for number in range(40)))
        await crowd[0].say("seul à parler")
        await asyncio.gather(*(one.hear("seul à parler") for one in crowd[1:]))
        connections = len(redis.client_list(_type="normal")) - at_rest
        await asyncio.gather(*(one.leave() for one in crowd))
        redis.echo("fini")
        seen = []
        while (command := monitor.next_command())["command"] != "ECHO fini":
            seen.append(command)
    written = [command["command"] for command in seen if command["client_type"] == "lua"]
    entries = Counter(re.search('"?kind"? "?([a-z]+)"?', c)[1] for c in written if "XADD" in c)
    assert entries["enter"] == 40 and entries["say"] == 1
    direct = Counter(c["command"].split()[0].upper() for c in seen if c["client_type"] != "lua")
    assert direct["XREAD"] < 130
    assert not {"KEYS", "SMEMBERS", "HGETALL", "SUBSCRIBE", "PUBLISH"} & direct.keys()
    assert connections <= 8


@each_server
async def test_redis_refuses_to_write(room: Room, redis: Redis, script: str):
    """Redis plein : l'auteur lit une erreur, la connexion reste, et la suite passe."""
    room.may_complain = True
    room.start(script)
    ada, bob = await room.gather("Ada", "Bob")
    redis.config_set("maxmemory", "1")
    try:
        await ada.say("perdu")
        await ada.see("^Erreur : .*Redis")
        stranger = await room.open("Hello|Zoé")
        assert await stranger.closed() == 1008
        assert stranger.lines[0].startswith("Erreur : ")
    finally:
        redis.config_set("maxmemory", "0")
    await ada.say("passé")
    await bob.hear("passé")
    assert bob.messages == ["passé"]


# --- Des retours pendant une panne de Redis --------------------------------------------------


@each_server
async def test_return_heard_twice(room: Room, redis: Redis, redis_url: str, script: str):
    """La réponse de Redis à un retour se perd, et redis-py le renvoie : il ne reprend pas la
    session à qui est revenu ailleurs entre-temps."""
    async with proxy_for(redis_url) as link:
        env = {"REDIS_URL": link.in_front_of(redis_url)}
        first = await asyncio.to_thread(room.start, script, **env)
        second = room.start(script)
        ada = await room.join("Ada", second)
        link.trap = b"HSETNX", partial(link.swallow, answers_only=True)  # ENTER seul en a un
        lost = await room.open(f"ID|{ada.session}", first)
        owner = partial(redis.hget, f"session:{ada.session}", "owner")
        before = owner()
        await asyncio.to_thread(wait_for, lambda: owner() != before, "le retour n'a pas eu lieu")
        await lost.cut()
        link.flow()
        back = await room.come_back(ada.session, second)
        mine, heard = owner(), entered(redis)
        await asyncio.to_thread(
            wait_for, lambda: entered(redis) > heard, "redis-py n'a pas insisté"
        )
        assert owner() == mine
        await back.say("toujours là")
        await settle(await room.join("Bob", second), back)
        assert back.websocket.close_code is None


def entered(redis: Redis) -> int:
    """Combien de fois Redis a demandé à qui est un pseudo : une par ENTER, et une avant lui."""
    return redis.info("commandstats")["cmdstat_hget"]["calls"]


@each_server
async def test_return_cut_during_an_outage(redis_url: str, private_redis: Private, script: str):
    """Coupés pendant qu'ils reviennent dans un Redis figé, tous gardent leur second retour."""
    async with Room(private_redis.url, "mongodb://127.0.0.1:1") as room:
        room.may_complain = True
        first, second = room.start(script), room.start(script)
        people = [await room.join(f"P{number}", first) for number in range(12)]
        private_redis.freeze()
        for one in people:
            lost = await room.open(f"ID|{one.session}", first)
            await asyncio.sleep(0)
            await lost.cut()
        again = [await room.open(f"ID|{one.session}", second) for one in people]
        await asyncio.sleep(0.2)
        private_redis.thaw()
        for one in again:
            await one.see("^Welcome back ")
        witness = await room.join("Témoin", first)
        for number, one in enumerate(again):
            await one.say(f"{number} est là")
            await witness.hear(f"{number} est là")
        assert [one.websocket.close_code for one in again] == [None] * 12


@each_server
async def test_session_lost_by_redis(room: Room, redis: Redis, script: str):
    """Une session que Redis a effacée : 1012, et non 4001, puis le pseudo est libre aussitôt."""
    server = room.start(script)
    ada, bob = await room.gather("Ada", "Bob")
    redis.delete(f"session:{ada.session}")
    await ada.say("perdu")
    assert await ada.closed() == 1012
    assert any(line.startswith("Erreur : ") for line in ada.lines)
    again = await room.join("Ada", server)
    await again.say("me revoilà")
    await bob.hear("me revoilà")
    assert redis.hgetall("pseudos").keys() == {"ada", "bob"}


async def test_ghost_older_than_its_session(room: Room, redis: Redis):
    """Tué, et relancé après l'expiration de ses sessions : rien d'elles ne reste dans Redis."""
    server = room.start(II_2)
    ada = await room.join("Ada")
    server.kill()
    redis.delete(f"session:{ada.session}")  # comme son expiration, une heure après
    redis.zadd("online", {f"session:{ada.session}": 1})
    room.start(II_2)
    await asyncio.to_thread(wait_for, lambda: not redis.exists("online"), "toujours là", 20)
    assert redis.hgetall("pseudos") == {}


# --- Un serveur meurt ------------------------------------------------------------------------


async def test_killed_server(room: Room, redis_url: str):
    """SIGKILL : les survivants annoncent chaque départ une fois, en moins de 30 s, et les pseudos
    sont libres ; et de même pour un serveur seul, relancé."""
    room.may_complain = True
    bases = [redis_url.replace("/0", f"/{number}") for number in range(4)]
    await asyncio.gather(
        survived(room, II_2, bases[0]),
        survived(room, II_3, bases[1]),
        restarted(room, II_2, bases[2]),
        restarted(room, II_3, bases[3]),
    )


async def survived(room: Room, script: str, base: str) -> None:
    """Tue un serveur sur trois."""
    killed, *survivors = (room.start(script, REDIS_URL=base) for _ in range(3))
    witnesses = await room.gather("Ada", "Bob", servers=survivors)
    ghosts = [await room.join(f"Fantôme {number}", killed) for number in range(3)]
    for witness in witnesses:
        await asyncio.gather(*(witness.see(f"Fantôme {number} a rejoint") for number in range(3)))
    forget(*witnesses)
    killed.send_signal(signal.SIGKILL)
    assert [await ghost.closed() for ghost in ghosts] == [1006] * 3
    twin = await room.open("Hello|Fantôme 0", survivors[0])
    assert await twin.closed() == 4003
    departures = [f"Annonce : Fantôme {number} a quitté la chatroom" for number in range(3)]
    for witness in witnesses:
        await asyncio.gather(*(witness.see(line, timeout=30) for line in departures))
    twin = await room.join("Fantôme 0", survivors[0])
    back = await room.come_back(ghosts[1].session, survivors[1])
    await asyncio.gather(*(witness.see("Fantôme 1 est de retour") for witness in witnesses))
    await back.say("fin")
    await asyncio.gather(*(witness.hear("fin") for witness in witnesses))
    expected = [
        "Annonce : Fantôme 0 a rejoint la chatroom",
        "Annonce : Fantôme 1 est de retour !",
        "Fantôme 1 a dit : fin",
    ]
    for witness in witnesses:
        assert sorted(witness.lines[:3]) == departures
        assert witness.lines[3:] == expected


async def restarted(room: Room, script: str, base: str) -> None:
    """Tue un serveur seul et le relance : le pseudo se libère à l'échéance, 30 s au plus."""
    killed = room.start(script, REDIS_URL=base)
    lonely = await room.join("Solitaire", killed)
    killed.send_signal(signal.SIGKILL)
    assert await lonely.closed() == 1006
    server = room.start(script, REDIS_URL=base)
    twin = await room.open("Hello|Solitaire", server)
    assert await twin.closed() == 4003
    async with asyncio.timeout(30 * PATIENCE):
        while not twin.session:
            await asyncio.sleep(0.5)
            twin = await room.open("Hello|Solitaire", server)
            await twin.until(lambda t=twin: t.frames, "attend une réponse")


@each_server
async def test_session_taken_back_after_a_kill(room: Room, script: str):
    """Le client d'un serveur tué revient aussitôt sur l'autre, sans attendre l'échéance."""
    room.may_complain = True
    killed, survivor = room.start(script), room.start(script)
    ada, bob = await room.gather("Ada", "Bob", servers=[survivor, killed])
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    await bob.closed()
    await ada.say("pendant la coupure")
    back = await room.come_back(bob.session, survivor)
    await back.hear("pendant la coupure")
    await back.say("me revoilà")
    await ada.hear("me revoilà")
    assert ada.lines == ["Annonce : Bob est de retour !", "Bob a dit : me revoilà"]
