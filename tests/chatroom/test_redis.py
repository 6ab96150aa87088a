"""Redis meurt, se tait, refuse, change d'âge, ou est habité par d'autres : la salle tient."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
from redis import Redis
from support.chat import LINE, settle
from support.crowd import Crowd, check_exact, lost_and_doubled
from support.forms import forms, report
from support.processes import refusal, wait_for
from support.proxy import proxy_for
from support.room import Room
from support.stage import Stage, eventually, stage
from support.storage import OldestStorage

PRESENCE, RENEWAL = 15, 5  # secondes
SILENT = "Redis ne répond plus, tes messages attendent"
BACK = "Redis est de retour"


# --- Des accidents que personne ne sent ----------------------------------------------------------


@asynccontextmanager
async def unharmed(storage, program, rate: int, copied: bool, told: bool) -> AsyncIterator[Stage]:
    """Deux serveurs, chacun derrière son relais vers Redis, et dix personnes autour d'un accident.

    Personne n'est déconnecté, rien ne se perd ni ne double ; `copied` : MongoDB compris. `told` :
    l'accident est assez long pour être annoncé.
    """
    async with stage(storage, program, servers=0, links=2) as room:
        crowd = Crowd(room)
        for side, server in enumerate(room.servers):
            await crowd.arrive(server, *(f"auteur {side}{number}" for number in range(4)))
        witnesses = [await room.join(f"témoin {one.port}", one) for one in room.servers]
        first, people = witnesses[0], [*crowd.authors.values(), *witnesses]
        crowd.start(rate)
        await first.until(lambda: len(first.messages) > 5 * rate, "le trafic")
        fell = time.perf_counter()
        yield room
        recovered = time.perf_counter()
        heard = len(first.messages)
        await first.until(lambda: len(first.messages) > heard + 5 * rate, "la reprise", 30)
        resumed = time.perf_counter()
        await crowd.end(*witnesses, timeout=60)
        await renewed_twice(room, len(people))
        closed = [one.summary() for one in people if one.websocket.close_code is not None]
        assert not closed, f"{len(closed)} clients déconnectés : {closed[0]}"
        said = room.said()
        lost, doubled = lost_and_doubled(crowd.sent, said)
        assert not lost and not doubled, f"{len(lost)} perdus, {len(doubled)} dits deux fois"
        check_exact(said, *(witness.messages for witness in witnesses))
        for witness in witnesses:
            assert len(witness.messages) == len(said), "un témoin n'a pas entendu le début"
            announced = witness.announced(SILENT), witness.announced(BACK)
            assert announced in ({(1, 1)} if told else {(0, 0), (1, 1)}), f"annonces {announced}"
        assert not any(room.count("leave", pseudo) for pseudo in crowd.authors), "faux départs"
        newcomer = await room.join("nouveau")
        await newcomer.until(lambda: len(newcomer.messages) >= 20, "l'historique")
        assert newcomer.messages == said[-20:], "l'historique n'est pas la fin de ce qui s'est dit"
        if copied:  # un lot dont la réponse s'est perdue attend 30 s d'être repris
            in_mongo = await room.until_copied(timeout=90)
            assert in_mongo == said, lost_and_doubled(said, in_mongo)
    report(
        "accident de Redis",
        panne=f"{recovered - fell:.1f} s",
        reprise=f"{resumed - recovered:.1f} s",
        envoyés=len(crowd.sent),
    )


async def renewed_twice(room: Stage, people: int) -> None:
    """Attend que chaque serveur ait donné deux fois des nouvelles des siens.

    Entre les deux, s'il s'est trompé, chacun a fait partir les clients de l'autre.
    """
    first, _ = room.keys.time()

    def again() -> bool:
        deadlines = room.keys.zrange(room.key("online"), 0, -1, withscores=True)
        assert len(deadlines) == people, f"{people - len(deadlines)} faux départs"
        return min(score for _, score in deadlines) > first + PRESENCE + RENEWAL

    await eventually(again, "deux nouvelles de chaque serveur", 30)


@forms(short={"rate": 20, "copied": False}, long={"rate": 50, "copied": True}, together=True)
async def test_restarted(storage, program, rate, copied):
    """Redis est tué et relancé aussitôt : il relit son journal."""
    async with unharmed(storage, program, rate, copied, told=False) as room:
        await asyncio.to_thread(room.redis.kill)
        await asyncio.to_thread(room.redis.start)


@forms(
    short={"rate": 10, "seconds": PRESENCE + 2, "copied": False},
    long={"rate": 5, "seconds": 40, "copied": True},
    together=True,
)
async def test_away(storage, program, rate, seconds, copied):
    """Redis disparaît au pire instant, et ne revient pas en même temps pour tous les serveurs.

    Le pire : entre le moment où un serveur donne des nouvelles de ses clients et celui où il lit
    l'heure, pour savoir de qui il n'y en a plus.
    """
    async with unharmed(storage, program, rate, copied, told=True) as room:
        for link in room.links:
            link.trap = b"$4\r\nTIME\r\n", link.refuse
        with suppress(AssertionError):  # un serveur qui ne demande pas l'heure n'a pas cet instant
            await eventually(lambda: all(link.refusing for link in room.links), "l'heure", 8)
        for link in room.links:
            link.refuse()
        await asyncio.sleep(seconds)
        for link in room.links:
            link.flow()
            await asyncio.sleep(2)


@forms(
    short={"rate": 20, "cuts": 5, "copied": False},
    long={"rate": 50, "cuts": 100, "copied": True},
    together=True,
)
async def test_cut(storage, program, rate, cuts, copied):
    """Les connexions à Redis sont coupées, encore et encore."""
    async with unharmed(storage, program, rate, copied, told=False) as room:
        for _ in range(cuts):
            for link in room.links:
                link.cut()
            await asyncio.sleep(0.2)


@forms(
    short={"rate": 20, "seconds": 14, "copied": False},
    long={"rate": 5, "seconds": 40, "copied": True},
    together=True,
)
async def test_frozen(storage, program, rate, seconds, copied):
    """Redis ne répond plus, ses connexions restent ouvertes."""
    async with unharmed(storage, program, rate, copied, told=True) as room:
        room.redis.freeze()
        await asyncio.sleep(seconds)
        room.redis.thaw()


@forms(
    short={"rate": 20, "seconds": 14, "copied": False},
    long={"rate": 5, "seconds": 40, "copied": True},
    together=True,
)
async def test_unheard(storage, program, rate, seconds, copied):
    """Redis entend tout et l'exécute, mais ses réponses se perdent."""
    async with unharmed(storage, program, rate, copied, told=True) as room:
        for link in room.links:
            link.swallow(answers_only=True)
        await asyncio.sleep(seconds)
        for link in room.links:
            link.flow()


# --- Redis refuse --------------------------------------------------------------------------------


@forms(
    short={"messages": 20, "seconds": PRESENCE + 2},
    long={"messages": 500, "seconds": 30},
    together=True,
)
async def test_refuses(storage, program, messages, seconds):
    """Redis plein : chaque message refusé reçoit une erreur, personne n'est fermé, et qui voulait
    entrer ou revenir est prié de réessayer (1013)."""
    async with stage(storage, program) as room:
        author, witness = [
            await room.join(f"P{port}", one) for port, one in enumerate(room.servers)
        ]
        gone = await room.join("parti")
        await gone.leave()
        await author.say("avant")
        await witness.hear("avant")
        room.keys.config_set("maxmemory", 1)
        for number in range(messages):
            await author.say(f"refusé {number}")

        def refusals() -> int:
            return sum(line.startswith("Erreur : ") for line in author.lines)

        await author.until(lambda: refusals() == messages, "une erreur par message", 20)
        for first in "Hello|retardataire", f"ID|{gone.session}":
            late = await room.open(first)
            assert await late.closed() == 1013, late.summary()
        [third] = await room.add()  # démarrer pendant le refus ne doit pas le tuer
        await asyncio.sleep(seconds)  # le temps que la présence se renouvelle, et soit refusée
        room.keys.config_set("maxmemory", 0)
        await author.say("après")
        await witness.hear("après")
        newcomer = await room.join("nouveau", third)
        await newcomer.hear("après")
        assert room.said() == witness.messages == ["avant", "après"], room.said()
        assert refusals() == messages, "une erreur de trop"
        await room.come_back(gone.session)
        assert await room.until_copied() == ["avant", "après"]
    report("Redis refuse", messages=messages, erreurs=messages)


# --- Des retours au mauvais moment ---------------------------------------------------------------


async def test_return_heard_twice(room: Room, redis: Redis, redis_url: str):
    """La réponse de Redis à un retour se perd, et le serveur le redemande : il ne reprend pas la
    session à qui est revenu ailleurs entre-temps."""
    async with proxy_for(redis_url) as link:
        [first] = await room.add(REDIS_URL=link.in_front_of(redis_url))
        [second] = await room.add()
        room.may_complain = True
        ada = await room.join("Ada", second)
        key = f"{{chatroom}}:session:{ada.session}"
        before = redis.hget(key, "owner")
        # Seul le script d'une entrée a ce mot.
        link.trap = b'"moved"', partial(link.swallow, answers_only=True)
        lost = await room.open(f"ID|{ada.session}", first)
        await asyncio.to_thread(
            wait_for, lambda: redis.hget(key, "owner") != before, "le retour n'a pas eu lieu", 20
        )
        await lost.cut()
        back = await room.come_back(ada.session, second)
        mine = redis.hget(key, "owner")
        link.flow()
        # Le premier serveur parle de nouveau à Redis : ce qu'il avait à redire est redit.
        bob = await room.join("Bob", first, open_timeout=30)
        await back.say("toujours là")
        await bob.hear("toujours là")
        assert redis.hget(key, "owner") == mine and back.websocket.close_code is None
        assert await asyncio.to_thread(first.stop) == 0  # tant que son relais est là


@pytest.mark.together
async def test_return_cut_during_an_outage(storage, program):
    """Coupés pendant qu'ils reviennent dans un Redis figé, tous gardent leur second retour."""
    async with stage(storage, program) as room:
        first, second = room.servers
        people = [await room.join(f"P{number}", first) for number in range(12)]
        room.redis.freeze()
        for one in people:
            lost = await room.open(f"ID|{one.session}", first)
            await asyncio.sleep(0)
            await lost.cut()
        again = [await room.open(f"ID|{one.session}", second) for one in people]
        await asyncio.sleep(0.2)
        room.redis.thaw()
        for one in again:
            await one.see("^Welcome back ")
        witness = await room.join("Témoin", first)
        for number, one in enumerate(again):
            await one.say(f"{number} est là")
            await witness.hear(f"{number} est là")
        assert [one.websocket.close_code for one in again] == [None] * 12


async def test_session_lost(room: Room, redis: Redis):
    """Une session que Redis a effacée : 1012, et non 4001, puis le pseudo est libre aussitôt."""
    await room.add()
    ada, bob = await room.gather("Ada", "Bob")
    redis.delete(f"{{chatroom}}:session:{ada.session}")
    await ada.say("perdu")
    assert await ada.closed() == 1012
    assert any(line.startswith("Erreur : ") for line in ada.lines)
    again = await room.join("Ada")
    await again.say("me revoilà")
    await bob.hear("me revoilà")
    assert redis.hlen("{chatroom}:pseudos") == 2


@pytest.mark.together
async def test_ghost_older_than_its_session(storage, program):
    """Tué, et relancé après l'expiration de ses sessions : rien d'elles ne reste dans Redis."""
    async with stage(storage, program, servers=1) as room:
        ada = await room.join("Ada")
        room.servers[0].kill()
        room.keys.delete(room.key(f"session:{ada.session}"))  # comme son expiration, plus tard
        room.keys.zadd(room.key("online"), {ada.session: 1})
        await room.add()
        await eventually(
            lambda: not room.keys.exists(room.key("online"), room.key("pseudos")), "elle reste", 20
        )


# --- Ce que Redis garde, et ce qu'on lui demande -------------------------------------------------


@pytest.mark.together
async def test_sessions(storage, program):
    """Une session s'écrit à l'arrivée, dure tant qu'on est là, change au départ, et finit."""
    async with stage(storage, program, SESSION_TTL="1000") as room:
        ada, bob = await room.gather("Ada", "Bob", servers=room.servers)
        key, online = room.key(f"session:{bob.session}"), room.key("online")
        session = room.keys.hgetall(key)
        assert session["pseudo"] == "Bob" and session["connected"] == "1"
        assert session["server"] == room.servers[1].url.removeprefix("ws://")
        assert abs(int(session["since"]) - room.keys.time()[0]) < 60
        first = room.keys.zscore(online, bob.session)
        for one in ada, bob:
            room.keys.expire(room.key(f"session:{one.session}"), 20)
        await eventually(
            lambda: room.keys.zscore(online, bob.session) > first and room.keys.ttl(key) > 900,
            "la présence est renouvelée, et la session avec elle",
        )
        assert ada.lines == bob.lines == []
        await bob.leave()
        await ada.see("Bob a quitté")
        assert room.keys.hget(key, "connected") == "0" and 900 < room.keys.ttl(key) <= 1000
        await ada.leave()
        await eventually(lambda: not room.keys.exists(online, room.key("pseudos")), "vide")
        for name in set(room.keys.keys()) - {room.key("room")}:
            assert room.keys.ttl(name) > 0, f"{name} n'a pas d'échéance"


FILL = """
for _ = 1, 55000 do
  redis.call("XADD", KEYS[1], "*", "kind", "leave", "pseudo", "Ancien", "author", "inconnu")
end
"""


async def test_stream_is_bounded(room: Room, redis: Redis):
    """Le flux ne garde qu'un nombre dit d'entrées."""
    await room.add()
    ada, bob = await room.gather("Ada", "Bob")
    redis.eval(FILL, 1, "{chatroom}:room")
    await ada.say("nouveau")
    await bob.hear("nouveau", 30)
    assert 50_000 <= redis.xlen("{chatroom}:room") <= 50_200  # « ~ » : à un nœud près


async def test_commands(room: Room, redis: Redis):
    """Un lecteur par serveur, quelques connexions à Redis, et jamais une commande par client."""
    await room.add()
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
    written = [one["command"] for one in seen if one["client_type"] == "lua"]
    entries = Counter(re.search('"?kind"? "?([a-z]+)"?', c)[1] for c in written if "XADD" in c)
    assert entries["enter"] == 40 and entries["say"] == 1
    direct = Counter(
        one["command"].split()[0].upper() for one in seen if one["client_type"] != "lua"
    )
    assert direct["XREAD"] < 130
    assert not {"KEYS", "SMEMBERS", "SUBSCRIBE", "PUBLISH"} & direct.keys()
    assert connections <= 8


# --- Un étranger dans Redis ----------------------------------------------------------------------


def said(text: str, pseudo: str = "Ancien") -> dict[str, str]:
    """Une entrée du flux : quelqu'un, autrefois, a dit cela."""
    return {"kind": "say", "pseudo": pseudo, "author": "0123456789abcdef", "text": text}


FOREIGN = [
    {"texte": "bonjour"},
    {"kind": "say"},
    {"kind": "say", "pseudo": "Zoé", "text": "sans auteur"},
    {"kind": "zut", "pseudo": "Zoé", "author": "x", "text": "quoi ?"},
    {"kind": "return", "pseudo": "Zoé", "author": "x"},
    {"kind": b"\xff\xfe", "pseudo": b"\xff", "author": b"\xff", "text": b"\xff\x00"},
    {"kind": "say", "pseudo": b"\xff\xfe", "author": "x", "text": b"\xff\x00"},
    {**said("a\n[12:00] Annonce : faux"), "pseudo": "Zoé\n[12:00] Ali"},
    said("x" * 100_000),
    {f"champ {number}": "x" for number in range(200)},
]


@pytest.mark.together
async def test_foreign_entries(storage, program):
    """Des entrées qui ne sont pas à nous, avant et pendant : elles ne tuent rien, n'imitent rien,
    et l'historique suit son cours."""
    async with stage(storage, program, servers=0) as room:
        for entry in FOREIGN:
            room.keys.xadd(room.key("room"), entry)
        await room.add(2)
        ada, bob = await room.gather("Ada", "Bob", servers=room.servers)
        for entry in FOREIGN:
            room.keys.xadd(room.key("room"), entry)
        # Après un id immense, tous les suivants le sont : ni date ni nombre n'y tiennent plus.
        for huge in "99999999999999-0", "9999999999999999-7", f"{2**64 - 2}-0":
            room.keys.xadd(room.key("room"), FOREIGN[0], id=huge)
            await ada.say(f"après {huge}")
            await bob.hear(f"après {huge}")
        for one in ada, bob:
            forged = [line for frame in one.frames for line in frame.split("\n")]
            assert all(LINE.match(line) or line.startswith("ID|") for line in forged), forged
            assert "Annonce : faux" not in one.lines
        zoe = await room.join("Zoé")
        await zoe.hear(f"après {huge}")
        ours = [f"après {huge}" for huge in ("99999999999999-0", "9999999999999999-7")]
        await eventually(lambda: set(ours) <= set(room.copied()), "la copie continue", 20)
        order = [text for text in room.copied() if text.startswith("après")]
        assert order[:2] == ours, order
        for server in room.servers:
            assert len(server.lines) < 100, f"{len(server.lines)} lignes pour {len(FOREIGN)} intrus"


@pytest.mark.parametrize("name", ["room", "online", "pseudos"])
def test_foreign_key_at_start(redis: Redis, redis_url: str, program, name: str):
    """Une clé d'un autre type est refusée au démarrage, par une phrase qui la nomme."""
    redis.set(f"{{chatroom}}:{name}", "à quelqu'un d'autre")
    assert name in refusal(program, REDIS_URL=redis_url)


async def test_foreign_key_on_the_way(room: Room, redis: Redis):
    """Une clé qui change de type sous nos pieds n'arrête pas le serveur."""
    room.may_complain = True
    [server] = await room.add()
    ada, bob = await room.gather("Ada", "Bob")
    await settle(bob, ada)
    redis.set("{chatroom}:session:intrus", "à quelqu'un d'autre")
    stranger = await room.open("ID|intrus")
    assert await stranger.closed() in (1013, 4002), stranger.summary()

    redis.rename("{chatroom}:room", "ailleurs")
    redis.set("{chatroom}:room", "à quelqu'un d'autre")
    await ada.say("refusé")
    await ada.see("^Erreur : ")
    redis.rename("ailleurs", "{chatroom}:room")
    await ada.say("passé")
    await bob.hear("passé")
    assert server.alive


# --- Toutes sortes de Redis ----------------------------------------------------------------------


@pytest.mark.together
async def test_oldest(program, storage):
    """Redis 6.2 : on parle, on revient, et la copie reprend ce qu'un serveur mort tenait, jusqu'à
    une entrée qui a disparu depuis."""
    await held_by_the_dead(OldestStorage(), program)


@pytest.mark.together
async def test_held_by_the_dead(storage, program):
    """Des messages pris par un serveur mort avant d'être copiés le sont par un autre ; en
    attendant, l'historique les a, même derrière mille annonces."""
    await held_by_the_dead(storage, program)


async def held_by_the_dead(storage, program) -> None:
    async with stage(storage, program, servers=0) as room:
        stream = room.key("room")
        entries = [room.keys.xadd(stream, said(f"retenu {number}")) for number in range(4)]
        room.keys.xgroup_create(stream, "history", "0")
        room.keys.xreadgroup("history", "mort", {stream: ">"})
        room.keys.xclaim(stream, "history", "mort", 0, entries, idle=40_000)
        room.keys.xdel(stream, entries[0])
        news = {"kind": "enter", "pseudo": "Passant", "author": "0123456789abcdef"}
        with room.keys.pipeline() as pipeline:
            for _ in range(1000):
                pipeline.xadd(stream, news)
            pipeline.execute()
        await room.add()
        ada = await room.join("Ada")
        await ada.until(lambda: len(ada.messages) == 3, "l'historique")
        assert ada.messages == ["retenu 1", "retenu 2", "retenu 3"]
        await ada.leave()
        back = await room.come_back(ada.session)
        bob = await room.join("Bob")
        await bob.say("en direct")
        await back.hear("en direct")
        copied = [*ada.messages, "en direct"]
        await eventually(lambda: room.copied() == copied, "la copie reprend", 45)
        await eventually(
            lambda: not room.keys.xpending(stream, "history")["pending"], "l'entrée disparue reste"
        )


STREAMS = "xadd xread xrange xrevrange xreadgroup xclaim xack xinfo xpending xgroup"
OTHERS = "time eval evalsha hget hmget hset hdel hkeys zadd zscore zrem zrangebyscore expire"


@forms(short={"commands": "xread xinfo time"}, long={"commands": f"{STREAMS} {OTHERS}"})
async def test_forbidden_commands(redis: Redis, redis_url: str, mongo_url, program, commands):
    """Ce qu'un utilisateur de Redis n'a pas le droit de faire se dit au démarrage, par son nom ; ou
    bien on n'en a pas besoin, et tout marche."""
    url = redis_url.replace("//", "//limit%C3%A9:secret@")
    redis.acl_setuser("limité", enabled=True, reset=True, passwords="+secret", keys="*")
    for command in commands.split():
        redis.execute_command("ACL", "SETUSER", "limité", "+@all", f"-{command}")
        async with Room(url, mongo_url, program) as room:
            try:
                await room.add()
            except AssertionError as refused:
                assert f" {command}" in str(refused).lower(), refused
                assert "secret" not in str(refused) and "Traceback" not in str(refused), refused
                continue
            ada, bob = await room.gather("Ada", "Bob")
            await ada.say("permis")
            await bob.hear("permis")
            await bob.leave()
            await ada.see("Bob a quitté")
            await room.come_back(bob.session)
    redis.acl_deluser("limité")


def test_forbidden_keys(redis: Redis, redis_url: str, program):
    """Sans droit sur nos clés, on ne démarre pas, et l'on dit lesquelles."""
    redis.acl_setuser("ailleurs", enabled=True, reset=True, passwords="+secret", keys=["autre:*"])
    redis.execute_command("ACL", "SETUSER", "ailleurs", "+@all")
    try:
        url = redis_url.replace("//", "//ailleurs:secret@")
        sentence = refusal(program, REDIS_URL=url)
        assert "{chatroom}:" in sentence and "secret" not in sentence, sentence
    finally:
        redis.acl_deluser("ailleurs")


async def test_allowed_user(redis: Redis, redis_url: str, mongo_url: str, program):
    """Un utilisateur qui n'a droit qu'à nos clés suffit."""
    redis.acl_setuser("juste", enabled=True, reset=True, passwords="+secret", keys=["{chatroom}:*"])
    redis.execute_command("ACL", "SETUSER", "juste", "+@all", "-@admin")
    try:
        url = redis_url.replace("//", "//juste:secret@")
        async with Room(url, mongo_url, program) as room:
            await room.add()
            ada, bob = await room.gather("Ada", "Bob")
            await ada.say("permis")
            await bob.hear("permis")
    finally:
        redis.acl_deluser("juste")


@pytest.mark.parametrize(
    "option", ["protocol=3", "foo=bar", "timeout=x", "decode_responses=False", "db=a"]
)
def test_options_of_the_url(redis_url: str, program, option: str):
    """Une option de REDIS_URL inconnue, ou qui changerait la salle, est refusée par son nom."""
    sentence = refusal(program, code=2, REDIS_URL=f"{redis_url}?{option}")
    assert "REDIS_URL" in sentence and option.partition("=")[0] in sentence, sentence
