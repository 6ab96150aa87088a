"""Les pannes et les abus, chacun sous la forme d'une fonction qui échoue si quelque chose se perd.

Chaque scénario prend `n`, ses grandeurs, et écrit ce qu'il a compté. Certains prennent aussi le
script du serveur : les variantes naïves de tests/naive passent par les mêmes.
"""

import asyncio
import random
import resource
import signal
import sys
import time
from collections import Counter
from contextlib import suppress

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from ws_ii_3_server import PRESENCE, RENEWAL

from .chat import Chatter
from .faults import (
    CHAT,
    Crowd,
    Witness,
    check_exact,
    connections,
    deaf_client,
    descriptors,
    eventually,
    in_ms,
    lost_and_doubled,
    memory,
    memory_growth,
    percentile,
    proxy_for,
    report,
    stage,
    tasks,
)
from .processes import ROOT, Process

LEFT = "{} a quitté la chatroom"
SILENT = "Redis ne répond plus, tes messages attendent"
BACK = "Redis est de retour"
INCOMPLETE = "historique incomplet, MongoDB ne répond pas"


def seconds(since: float) -> str:
    return f"{time.perf_counter() - since:.1f} s"


# --- Rien ne manque, rien ne double --------------------------------------------------------------


async def join_storm(storage, n, script=CHAT):
    """Des nouveaux venus entrent sur l'un ou l'autre serveur, n'importe quand, en plein trafic.

    Chacun doit recevoir les 20 derniers messages, puis tous les suivants.
    """
    start = time.perf_counter()
    async with stage(storage, 2, script) as scene:
        urls = [server.url for server in scene.servers]
        crowd = Crowd()
        for side, url in enumerate(urls):
            await crowd.arrive(url, *(f"auteur {side}{number}" for number in range(5)))
        witness = await Witness.join(urls[0], "témoin")
        crowd.start(n.rate, count=n.messages // len(crowd.authors))
        await witness.until(lambda: len(witness.heard) >= 40, "le trafic")
        duration = n.messages / len(crowd.authors) / n.rate
        chance = random.Random(0)

        async def newcomer(number: int) -> Witness:
            await asyncio.sleep(chance.uniform(0, duration * 0.9))
            return await Witness.join(chance.choice(urls), f"venu {number}")

        newcomers = await asyncio.gather(*map(newcomer, range(n.newcomers)))
        for one in newcomers:
            await one.until(lambda who=one: len(who.heard) >= 20, "les 20 derniers messages")
        await crowd.finish()
        await crowd.end(witness, *newcomers, *crowd.authors.values())
        said = scene.said()
        check_exact(said, *(one.heard for one in newcomers))
        first = {one.frames[1].count(" a dit : ") for one in newcomers}
        assert first == {20}, f"messages de la première trame : {first}"
        assert witness.heard == said, "le premier témoin n'a pas tout entendu"
        for pseudo, author in crowd.authors.items():
            others = [text for text in said if not text.startswith(f"{pseudo}-")]
            assert author.heard == others, f"{pseudo} n'a pas entendu tous les autres, et eux seuls"
        copied = await scene.until_copied()
        assert copied == said, lost_and_doubled(said, copied)
        waits = crowd.latencies(witness)
    report(
        "entrées en plein trafic",
        messages=len(said),
        nouveaux=len(newcomers),
        manquants=0,
        doubles=0,
        p50=in_ms(percentile(waits, 50)),
        p99=in_ms(percentile(waits, 99)),
        durée=seconds(start),
    )


async def server_killed(storage, n, script=CHAT):
    """Un serveur sur trois est tué net ; une partie de ses clients revient sur un autre."""
    start = time.perf_counter()
    async with stage(storage, 3, script) as scene:
        doomed, *survivors = scene.servers
        back = [f"retour {number}" for number in range(n.people)]
        ghosts = [f"fantôme {number}" for number in range(n.people)]
        crowd = Crowd()
        await crowd.arrive(doomed.url, *back, *ghosts)
        for number, server in enumerate(survivors):
            await crowd.arrive(server.url, *(f"ailleurs {number}{k}" for k in range(n.people)))
        before = dict(crowd.authors)
        witnesses = [await Witness.join(one.url, f"témoin {one.port}") for one in survivors]
        crowd.start(n.rate)
        await witnesses[0].until(lambda: len(witnesses[0].heard) > n.messages, "le trafic")

        doomed.kill()
        death = time.perf_counter()
        await asyncio.gather(*(before[pseudo].closed() for pseudo in back + ghosts))
        for number, pseudo in enumerate(back):
            url = survivors[number % 2].url
            crowd.authors[pseudo] = await Witness.come_back(url, before[pseudo].session)
            crowd.start_one(pseudo, n.rate)
        for pseudo in ghosts:
            del crowd.authors[pseudo]
        heard = len(witnesses[0].heard)
        await witnesses[0].until(lambda: len(witnesses[0].heard) > heard + n.messages, "la suite")
        await crowd.end(*witnesses)

        for witness in witnesses:
            await witness.until(
                lambda who=witness: all(who.announced(LEFT.format(ghost)) for ghost in ghosts),
                "le départ de chaque fantôme est annoncé",
                timeout=30 - (time.perf_counter() - death),
            )
        noticed = seconds(death)
        for ghost in ghosts:  # leur nom est libre
            await Chatter.join(survivors[0].url, ghost)
        departures = {pseudo: scene.count("leave", pseudo) for pseudo in before}
        expected = {pseudo: int(pseudo in ghosts) for pseudo in before}
        assert departures == expected, f"départs annoncés : {departures}"

        said = scene.said()
        check_exact(said, *(witness.heard for witness in witnesses))
        everybody = [*before.values(), *crowd.authors.values(), *witnesses]
        seen = {text for one in everybody for text in one.heard}
        copied = await scene.until_copied(timeout=90)  # un lot que le mort copiait attend 30 s
        lost, doubled = lost_and_doubled(seen, copied)
        assert not lost and not doubled, f"{len(lost)} perdus, {len(doubled)} doublés"
    report(
        "serveur tué",
        messages=len(said),
        envoyés=len(crowd.sent) + len(crowd.authors),
        vus=len(seen),
        perdus=len(lost),
        doublés=len(doubled),
        départs=f"{len(ghosts)} fantômes annoncés une fois en {noticed}",
        durée=seconds(start),
    )


async def cut_and_back(storage, n):
    """Un client est coupé, les autres parlent, il revient : ce qu'il a manqué l'attend."""
    start = time.perf_counter()
    async with stage(storage, 2) as scene, proxy_for(scene.servers[0].url) as link:
        here, elsewhere = scene.servers
        crowd = Crowd()
        await crowd.arrive(elsewhere.url, "Ali", "Bea")
        crowd.start(n.rate)
        cut = await Witness.join(link.in_front_of(here.url), "Léa")
        await cut.until(lambda: len(cut.heard) > 2 * n.rate, "le trafic")
        link.cut()
        await cut.closed()
        away = len(crowd.sent)
        await eventually(
            lambda: enough(crowd, away + n.missed), f"{n.missed} messages sans elle", 60
        )
        back = await Witness.come_back(elsewhere.url, cut.session)
        await crowd.end(back)
        said = scene.said()
        check_exact(said, back.heard)
        lost, doubled = lost_and_doubled(said[said.index(cut.heard[0]) :], cut.heard + back.heard)
        assert not lost, f"{len(lost)} messages manquent à son retour"
    report(
        "client coupé",
        messages=len(said),
        manqués_puis_reçus=len(set(back.heard) - set(cut.heard)),
        perdus=len(lost),
        relus=len(doubled),
        durée=seconds(start),
    )


async def enough(crowd: Crowd, count: int) -> bool:
    return len(crowd.sent) >= count


async def link_swallowed(storage, n):
    """Le fil d'un client avale tout pendant quelques secondes, puis il revient.

    Ce que le serveur y a écrit avant la dernière position notée est perdu ; tout ce qui la suit
    revient.
    """
    start = time.perf_counter()
    async with stage(storage, 1) as scene, proxy_for(scene.servers[0].url) as link:
        crowd = Crowd()
        await crowd.arrive(scene.servers[0].url, "Ali", "Bea")
        crowd.start(n.rate)
        cut = await Witness.join(link.in_front_of(scene.servers[0].url), "Léa")
        await cut.until(lambda: len(cut.heard) > n.rate, "le trafic")
        link.swallow()
        swallowed = time.perf_counter()
        mute = len(crowd.sent)
        await eventually(
            lambda: enough(crowd, mute + 2 * n.rate * n.seconds), "le temps passe", 6 * n.seconds
        )
        link.flow()
        link.cut()
        returned = time.perf_counter()
        back = await Witness.come_back(scene.servers[0].url, cut.session)
        position = scene.keys.hget(f"session:{cut.session}", "position")
        lag = time.time() - int(position.split("-")[0]) / 1000
        await crowd.end(back)
        said = scene.said()
        check_exact(said, back.heard)
        lost, doubled = lost_and_doubled(said[said.index(cut.heard[0]) :], cut.heard + back.heard)
        after = lost_and_doubled(scene.said(since=position), back.heard)[0]
        assert not after, f"{len(after)} messages d'après la dernière position notée sont perdus"
        assert lag < n.lag, f"la dernière position notée date de {lag:.1f} s"
    report(
        "fil qui avale",
        muet=f"{returned - swallowed:.1f} s",
        perdus_avant_la_position=len(lost),
        perdus_après=len(after),
        relus=len(doubled),
        position=f"vieille de {lag:.1f} s",
        durée=seconds(start),
    )


async def slow_return(storage, n):
    """Quelqu'un revient par un lien lent : son retard met plus d'une présence à lui parvenir."""
    start = time.perf_counter()
    async with stage(storage, 2, "ws_ii_2_server.py") as scene:
        author = await Witness.join(scene.servers[0].url, "auteur")
        cut = await Witness.join(scene.servers[1].url, "Léa")
        await cut.cut()
        await author.see(LEFT.format("Léa"))
        for number in range(n.messages):
            await author.say(f"{number} {'é' * 1990}")

        async def all_said() -> bool:
            return scene.keys.xlen("room") > n.messages

        await eventually(all_said, f"{n.messages} messages dits", 60)
        back = await deaf_client(scene.servers[1].url, f"ID|{cut.session}")
        await asyncio.sleep(n.seconds)
        assert len(back.messages) < n.messages, "rien ne l'attendait plus : le lien n'est pas lent"
        back.websocket.transport.resume_reading()
        await back.until(lambda: len(back.messages) == n.messages, "tout son retard", 60)
        assert back.messages == scene.said()
        assert scene.count("leave", "Léa") == 1, "déclarée partie pendant qu'elle lit son retard"
        await author.say("enfin")
        await back.hear("enfin")
    report("retour par un lien lent", messages=n.messages, perdus=0, durée=seconds(start))


async def taken_over(storage, n):
    """Des onglets reviennent au même instant avec la même session : un seul la garde.

    Tous parlent sans arrêt ; plus rien ne passe d'un onglet une fois qu'un autre l'a remplacé.
    """
    start = time.perf_counter()
    async with stage(storage, 2) as scene:
        urls = [server.url for server in scene.servers]
        witness = await Witness.join(urls[0], "témoin")
        owner = await Witness.join(urls[0], "Léa")
        codes = Counter()
        for turn in range(n.turns):
            tabs = await asyncio.gather(
                *(Chatter.open(urls[k % 2], f"ID|{owner.session}") for k in range(n.tabs))
            )
            talks = [asyncio.create_task(chatter_on(tab)) for tab in [owner, *tabs]]

            async def one_left(tabs=tabs) -> bool:
                return sum(tab.websocket.close_code is None for tab in tabs) == 1

            await eventually(one_left, f"tour {turn} : un seul onglet reste ouvert")
            codes.update(tab.websocket.close_code for tab in [owner, *tabs])
            session = owner.session
            [owner] = [tab for tab in tabs if tab.websocket.close_code is None]
            owner.session = session
            for talk in talks:
                talk.cancel()
            await asyncio.gather(*talks, return_exceptions=True)
            await owner.say(f"tour {turn}")
            await witness.hear(f"tour {turn}")
        del codes[None]
        assert set(codes) == {4001}, f"codes de fermeture : {codes}"
        assert scene.count("leave", "Léa") == 0, "un départ est annoncé alors qu'elle est là"
        replaced, stolen = set(), 0
        for entry in scene.stream():
            stolen += entry["kind"] == "say" and entry["author"] in replaced
            replaced.add(entry.get("previous"))
        assert not stolen, f"{stolen} messages d'un onglet déjà remplacé"
    report(
        "session reprise",
        reprises=n.turns * n.tabs,
        messages=len(witness.heard),
        volés=stolen,
        codes=dict(codes),
        durée=seconds(start),
    )


async def chatter_on(tab: Chatter) -> None:
    """Parle sans arrêt, jusqu'à la fermeture."""
    with suppress(ConnectionClosed):
        while True:
            await tab.say("bla")
            await asyncio.sleep(0.001)


async def server_suspended(storage, n):
    """Un serveur est suspendu, assez longtemps pour que ses clients soient déclarés partis.

    À son réveil, il ne fait parler ni qui est revenu ailleurs, ni qui est parti.
    """
    start = time.perf_counter()
    async with stage(storage, 2) as scene:
        asleep, awake = scene.servers
        witness = await Witness.join(awake.url, "témoin")
        names = "Léa", "Bob", "Zoé"
        lea, bob, zoe = [await Witness.join(asleep.url, pseudo) for pseudo in names]
        asleep.send_signal(signal.SIGSTOP)
        try:
            elsewhere = await Witness.come_back(awake.url, lea.session)
            await lea.say("volé")
            for gone in "Bob", "Zoé":
                await witness.see(LEFT.format(gone), 30)
            noticed = seconds(start)
            await bob.say("trop tard")
        finally:
            asleep.send_signal(signal.SIGCONT)
        codes = await lea.closed(), await bob.closed(), await zoe.closed()
        assert codes == (4001, 1012, 1012), f"codes de fermeture : {codes}"
        back = await Witness.come_back(asleep.url, bob.session)
        for one in back, elsewhere:
            await one.say("me revoilà")
        await witness.until(lambda: len(witness.heard) >= 2, "tous deux parlent")
        assert scene.said() == ["me revoilà"] * 2, scene.said()
        departures = [scene.count("leave", pseudo) for pseudo in (*names, "témoin")]
        assert departures == [0, 1, 1, 0], f"départs annoncés : {departures}"
    report("serveur suspendu", parti_en=noticed, codes=codes, volés=0, durée=seconds(start))


# --- Redis ---------------------------------------------------------------------------------------


async def redis_restarted(scene, links, n):
    """Redis est tué et relancé aussitôt : il relit son journal."""
    await asyncio.to_thread(scene.redis.kill)
    await asyncio.to_thread(scene.redis.start)


async def redis_away(scene, links, n):
    """Redis disparaît au pire instant, et ne revient pas en même temps pour tous les serveurs.

    Le pire : entre le moment où un serveur donne des nouvelles de ses clients et celui où il lit
    l'heure, pour savoir de qui il n'y en a plus.
    """
    for link in links:
        link.trap = b"$4\r\nTIME\r\n", link.refuse

    async def trapped() -> bool:
        return all(link.refusing for link in links)

    with suppress(AssertionError):  # un serveur qui ne demande pas l'heure n'a pas cet instant
        await eventually(trapped, "chaque serveur demande l'heure", 8)
    for link in links:
        link.refuse()
    await asyncio.sleep(n.seconds)
    for link in links:
        link.flow()
        await asyncio.sleep(2)


async def redis_frozen(scene, links, n):
    """Redis ne répond plus, ses connexions restent ouvertes."""
    scene.redis.freeze()
    await asyncio.sleep(n.seconds)
    scene.redis.thaw()


async def redis_cut(scene, links, n):
    """Les connexions à Redis sont coupées, encore et encore."""
    for _ in range(n.cuts):
        for link in links:
            link.cut()
        await asyncio.sleep(0.2)


async def redis_unheard(scene, links, n):
    """Redis entend tout et l'exécute, mais ses réponses se perdent."""
    for link in links:
        link.swallow(answers_only=True)
    await asyncio.sleep(n.seconds)
    for link in links:
        link.flow()


async def renewed_twice(scene, people):
    """Attend que chaque serveur ait donné deux fois des nouvelles des siens.

    Entre les deux, s'il s'est trompé, chacun a fait partir les clients de l'autre.
    """
    first, _ = scene.keys.time()

    async def again() -> bool:
        deadlines = [
            deadline for _, deadline in scene.keys.zrange("online", 0, -1, withscores=True)
        ]
        assert len(deadlines) == len(people), f"{len(people) - len(deadlines)} faux départs"
        return min(deadlines) > first + PRESENCE + RENEWAL

    await eventually(again, "deux nouvelles de chaque serveur", 30)


async def redis_fault(storage, n, fault, script=CHAT):
    """Redis a un accident : personne n'est déconnecté, rien ne se perd ni ne double."""
    start = time.perf_counter()
    async with stage(storage, 0, script) as scene:
        links = [await scene.link() for _ in range(2)]
        for link in links:
            await scene.add_server(REDIS_URL=link.in_front_of(scene.redis.url))
        crowd = Crowd()
        for side, server in enumerate(scene.servers):
            await crowd.arrive(server.url, *(f"auteur {side}{number}" for number in range(4)))
        witnesses = [await Witness.join(one.url, f"témoin {one.port}") for one in scene.servers]
        crowd.start(n.rate)
        await witnesses[0].until(lambda: len(witnesses[0].heard) > 5 * n.rate, "le trafic")
        fell = time.perf_counter()
        await fault(scene, links, n)
        recovered = time.perf_counter()
        heard = len(witnesses[0].heard)
        await witnesses[0].until(
            lambda: len(witnesses[0].heard) > heard + 5 * n.rate, "la reprise", 30
        )
        resumed = time.perf_counter()
        await crowd.end(*witnesses, timeout=60)
        people = [*crowd.authors.values(), *witnesses]
        await renewed_twice(scene, people)
        closed = [one.summary() for one in people if one.websocket.close_code is not None]
        assert not closed, f"{len(closed)} clients déconnectés : {closed[0]}"
        said = scene.said()
        lost, doubled = lost_and_doubled(crowd.sent, said)
        assert not lost and not doubled, f"{len(lost)} perdus, {len(doubled)} dits deux fois"
        check_exact(said, *(witness.heard for witness in witnesses))
        for witness in witnesses:
            assert len(witness.heard) == len(said), "un témoin n'a pas entendu depuis le début"
            told = witness.announced(SILENT), witness.announced(BACK)
            assert told in ((0, 0), (1, 1)), f"panne et retour annoncés {told} fois"
            long_enough = fault is not redis_cut and recovered - fell > 8
            assert told == (1, 1) or not long_enough, "la panne n'a pas été annoncée"
        assert not any(scene.count("leave", pseudo) for pseudo in crowd.authors), "faux départs"
        newcomer = await Witness.join(scene.servers[0].url, "nouveau")
        await newcomer.until(lambda: newcomer.heard, "l'historique")
        assert newcomer.heard == said[-20:], "l'historique n'est pas la fin de ce qui s'est dit"
        if n.copied:  # un lot dont la réponse s'est perdue attend 30 s d'être repris
            copied = await scene.until_copied(timeout=90)
            assert copied == said, lost_and_doubled(said, copied)
    report(
        f"Redis : {fault.__name__}",
        panne=f"{recovered - fell:.1f} s",
        reprise=f"{resumed - recovered:.1f} s",
        envoyés=len(crowd.sent),
        perdus=len(lost),
        doublés=len(doubled),
        déconnectés=len(closed),
        durée=seconds(start),
    )


async def redis_refuses(storage, n):
    """Redis refuse d'écrire, faute de mémoire : chaque message refusé reçoit une erreur."""
    start = time.perf_counter()
    async with stage(storage, 2) as scene:
        urls = [server.url for server in scene.servers]
        author = await Witness.join(urls[0], "auteur")
        witness = await Witness.join(urls[1], "témoin")
        await author.say("avant")
        await witness.hear("avant")
        scene.keys.config_set("maxmemory", 1)
        for number in range(n.messages):
            await author.say(f"refusé {number}")

        def refusals() -> int:
            return sum(line.startswith("Erreur : ") for line in author.lines)

        await author.until(lambda: refusals() == n.messages, "une erreur par message", 20)
        late = await Chatter.open(urls[0], "Hello|retardataire")
        assert await late.closed() == 1008, late.summary()
        assert late.lines[-1].startswith("Erreur : "), late.summary()
        third = await scene.add_server()  # démarrer pendant le refus ne doit pas le tuer
        await asyncio.sleep(n.seconds)  # le temps que la présence se renouvelle, et soit refusée
        scene.keys.config_set("maxmemory", 0)
        await author.say("après")
        await witness.hear("après")
        newcomer = await Witness.join(third.url, "nouveau")
        await newcomer.hear("après")
        assert scene.said() == witness.heard == ["avant", "après"], scene.said()
        assert refusals() == n.messages, "une erreur de trop"
        assert await scene.until_copied() == ["avant", "après"]
    report("Redis refuse", messages=n.messages, erreurs=n.messages, durée=seconds(start))


# --- MongoDB -------------------------------------------------------------------------------------


async def mongo_killed(scene, n):
    await asyncio.to_thread(scene.mongo.kill)
    yield
    await asyncio.to_thread(scene.mongo.start)


async def mongo_frozen(scene, n):
    scene.mongo.freeze()
    yield
    scene.mongo.thaw()


async def mongo_fault(storage, n, fault):
    """MongoDB s'en va et revient : la salle n'attend pas, l'historique est complet."""
    start = time.perf_counter()
    async with stage(storage, 2) as scene:
        crowd = Crowd()
        for side, server in enumerate(scene.servers):
            await crowd.arrive(server.url, *(f"auteur {side}{number}" for number in range(4)))
        witness = await Witness.join(scene.servers[0].url, "témoin")
        crowd.start(n.rate)
        await witness.until(lambda: len(witness.heard) > 40, "le trafic")
        accident = fault(scene, n)
        await anext(accident)
        fell = time.perf_counter()
        newcomer = await Witness.join(scene.servers[1].url, "nouveau")
        await newcomer.until(lambda: newcomer.heard, "les derniers messages, sans MongoDB", 5)
        welcomed = time.perf_counter() - fell
        assert newcomer.announced(INCOMPLETE) == 1, newcomer.summary()
        await asyncio.sleep(n.seconds)
        back = time.perf_counter()
        with suppress(StopAsyncIteration):
            await anext(accident)
        late = await Witness.join(scene.servers[0].url, "retardataire")
        await crowd.end(witness, newcomer, late)
        said = scene.said()
        check_exact(said, witness.heard, newcomer.heard, late.heard)
        copied = await scene.until_copied(timeout=60)
        assert copied == said, lost_and_doubled(said, copied)
        waits = crowd.latencies(witness, fell, back)
    report(
        f"MongoDB : {fault.__name__}",
        absent=f"{back - fell:.1f} s",
        accueil=f"{welcomed:.1f} s",
        messages=len(said),
        perdus=0,
        doublés=0,
        p99_pendant=in_ms(percentile(waits, 99)),
        durée=seconds(start),
    )


async def mongo_absent_at_start(storage, n):
    """MongoDB n'est pas là au départ : on parle, et tout y sera quand il viendra."""
    start = time.perf_counter()
    async with stage(storage, 0) as scene:
        await asyncio.to_thread(scene.mongo.stop)
        await asyncio.gather(*(scene.add_server() for _ in range(2)))
        crowd = Crowd()
        await crowd.arrive(scene.servers[0].url, "Ali", "Bea")
        witness = await Witness.join(scene.servers[1].url, "témoin")
        crowd.start(n.rate)
        await witness.until(lambda: len(witness.heard) > 40, "le trafic")
        newcomer = await Witness.join(scene.servers[1].url, "nouveau")
        await newcomer.until(lambda: len(newcomer.heard) >= 20, "les derniers messages")
        assert newcomer.announced(INCOMPLETE) == 1, newcomer.summary()
        for server in scene.servers:
            await asyncio.to_thread(server.wait_line, "MongoDB ne répond pas")
        await asyncio.to_thread(scene.mongo.start)
        await crowd.end(witness, newcomer)
        said = scene.said()
        check_exact(said, witness.heard, newcomer.heard)
        copied = await scene.until_copied(timeout=60)
        assert copied == said, lost_and_doubled(said, copied)
        for server in scene.servers:
            warnings = sum("MongoDB ne répond pas" in line for line in server.lines)
            assert warnings == 1, server.output
    report("MongoDB absent au départ", messages=len(said), perdus=0, durée=seconds(start))


# --- Les abus ------------------------------------------------------------------------------------


async def deaf(storage, n, script=CHAT):
    """Un client ne lit jamais rien, dans une salle où l'on dit 200 messages par seconde."""
    start = time.perf_counter()
    async with stage(storage, 1, script) as scene:
        [server] = scene.servers
        crowd = Crowd()
        await crowd.arrive(server.url, *(f"auteur {number}" for number in range(10)))
        witness = await Witness.join(server.url, "témoin")
        crowd.start(20, padding=" " + "é" * n.padding if n.padding else "")
        await asyncio.sleep(n.seconds)
        calm = crowd.latencies(witness, until=time.perf_counter() - 0.5)
        growth = memory_growth(server)
        arrival = time.perf_counter()
        deaf_one = await deaf_client(server.url, "Hello|sourd")

        def gone() -> bool:
            return witness.announced(LEFT.format("sourd")) == 1

        try:
            with suppress(AssertionError):  # la latence d'abord : c'est elle qui dit le plus
                await witness.until(gone, "le sourd est parti", n.limit)
            left = seconds(arrival)
            disturbed = crowd.latencies(witness, arrival, time.perf_counter() - 0.5)
            before, after = percentile(calm, 99), percentile(disturbed, 99)
            bound = 2 * before + n.margin
            assert after < bound, f"p99 de {in_ms(before)} à {in_ms(after)} à cause du sourd"
            assert gone(), f"le sourd est encore là après {n.limit} s"
            grown = growth()
            assert grown < 10, f"la mémoire du serveur a grandi de {grown:.1f} Mo"
        finally:
            await deaf_one.cut()
        await crowd.end(witness)
        check_exact(scene.said(), witness.heard)
    report(
        "client qui ne lit jamais",
        parti_en=left,
        mémoire=f"+{grown:.1f} Mo",
        p99_sans=in_ms(before),
        p99_avec=in_ms(after),
        durée=seconds(start),
    )


FLOODER = """
import sys, time
from contextlib import AsyncExitStack, suppress
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
url, seconds = sys.argv[1], float(sys.argv[2])
with connect(url, proxy=None, max_queue=None) as websocket:
    websocket.send("Hello|bavard")
    websocket.recv()
    end, count = time.monotonic() + seconds, 0
    with suppress(ConnectionClosed):
        while time.monotonic() < end:
            websocket.send(f"bla {count}")
            count += 1
    print("envoyés", count, flush=True)
"""


async def flooder(storage, n):
    """Quelqu'un envoie aussi vite qu'il peut : les autres ne le sentent pas, et ne perdent rien.

    Lui est écarté au bout de 40 s par le ping, dont la réponse attend derrière tout ce qu'il a
    envoyé.
    """
    start = time.perf_counter()
    async with stage(storage, 1) as scene:
        [server] = scene.servers
        crowd = Crowd()
        await crowd.arrive(server.url, *(f"auteur {number}" for number in range(10)))
        witness = await Witness.join(server.url, "témoin")
        crowd.start(5)
        await witness.until(lambda: len(witness.heard) > 50, "le trafic")
        flood = Process(sys.executable, "-c", FLOODER, server.url, str(n.seconds))
        try:
            await witness.until(lambda: "bla 0" in witness.heard_at, "le bavard")
            began = time.perf_counter()
            await asyncio.to_thread(flood.wait_line, "envoyés", n.seconds + 30)
            ended = time.perf_counter()
        finally:
            flood.kill()
        await crowd.end(witness)
        theirs = [text for text in witness.heard if text.startswith("auteur")]
        lost, doubled = lost_and_doubled(crowd.sent, theirs)
        waits = crowd.latencies(witness, began, ended)
        p99 = percentile(waits, 99)
        assert not lost and not doubled, f"{len(lost)} perdus, {len(doubled)} doublés"
        assert p99 < n.bound, f"p99 des autres : {in_ms(p99)}"
        passed = sum(text.startswith("bla") for text in witness.heard)
    report(
        "bavard",
        messages_du_bavard=passed,
        par_seconde=round(passed / (ended - began)),
        p50=in_ms(percentile(waits, 50)),
        p99=in_ms(p99),
        perdus=0,
        durée=seconds(start),
    )


async def claims(storage, n):
    """Le même pseudo est demandé en même temps par une foule, sur deux serveurs."""
    start = time.perf_counter()
    spellings = "Zoé", "ZOÉ", "Ｚｏé", "Zoe\u0301"
    async with stage(storage, 2) as scene:
        urls = [server.url for server in scene.servers]
        for turn in range(n.turns):
            crowd = [await Chatter.open(urls[k % 2]) for k in range(n.claims)]
            hellos = [f"Hello|{spellings[k % 4]}" for k in range(n.claims)]
            await asyncio.gather(*map(Chatter.say, crowd, hellos))

            async def answered(crowd=crowd) -> bool:
                return all(one.session or one.websocket.close_code for one in crowd)

            await eventually(answered, "chacun a sa réponse", 30)
            winners = [one for one in crowd if one.session]
            codes = {one.websocket.close_code for one in crowd if not one.session}
            assert len(winners) == 1, f"tour {turn} : {len(winners)} gagnants"
            assert codes == {4003}, f"tour {turn} : {codes}"
            await winners[0].leave()

            async def free() -> bool:
                return not scene.keys.zcard("online")

            await eventually(free, "le pseudo est rendu")
    report(
        "même pseudo",
        tours=n.turns,
        demandes=n.claims,
        gagnants="1 à chaque tour",
        durée=seconds(start),
    )


async def arrivals(storage, n, script=CHAT):
    """Des milliers de gens passent : le serveur et Redis redeviennent comme avant."""
    start = time.perf_counter()
    settings = {"COUNTED": str(ROOT / script), "SESSION_TTL": "30"}
    async with stage(storage, 1, "tests/support/counted.py", **settings) as scene:
        [server] = scene.servers
        host = await Witness.join(server.url, "hôte")
        await host.say("bienvenue")

        async def visit(number: int) -> None:
            one = await Chatter.join(server.url, f"visiteur {number}")
            if number % 4 < 2:  # les autres repartent avant même la fin de l'accueil
                await one.see(" a dit : ")
            await one.say("bonjour et au revoir")
            await (one.cut() if number % 2 else one.leave())

        async def visits(first: int, count: int) -> None:
            for number in range(first, first + count, 20):
                await asyncio.gather(*map(visit, range(number, number + 20)))

        async def alone() -> bool:
            return scene.keys.zcard("online") == connections(server) == 1  # l'hôte

        await visits(0, n.warm_up)  # la mémoire des premiers, les bibliothèques la gardent
        await eventually(alone, "les premiers sont partis", 30)
        opened, before = descriptors(server), memory(server)
        busy = await tasks(server)
        await visits(n.warm_up, n.visits)
        await eventually(alone, "plus personne, ni connexion ouverte", 30)
        closed, after = descriptors(server), memory(server)
        assert after - before < n.growth, f"de {before:.1f} à {after:.1f} Mo"

        async def rested() -> bool:
            return await tasks(server) <= busy

        await eventually(rested, f"pas plus de {busy} tâches", 10)
        await host.leave()

        async def forgotten() -> bool:
            return set(scene.keys.keys()) <= {"room"}

        await eventually(forgotten, "plus aucune session dans Redis", 45)
    report(
        "arrivées et départs",
        visites=n.visits,
        mémoire=f"{before:.1f} puis {after:.1f} Mo",
        descripteurs=f"{opened} puis {closed}",
        tâches=f"{busy}, pas une de plus",
        clés="le flux seul",
        durée=seconds(start),
    )


async def idle(storage, n):
    """Des connexions qui ne disent rien : ce que chacune coûte au serveur."""
    start = time.perf_counter()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    async with stage(storage, 1) as scene:
        [server] = scene.servers
        await (await Chatter.join(server.url, "premier")).leave()
        before = memory(server)
        readers = []

        async def arrive(number: int):
            websocket = await connect(server.url, proxy=None, compression=None)
            await websocket.send(f"Hello|calme {number}")
            assert (await websocket.recv()).startswith("ID|")
            readers.append(asyncio.create_task(ignore(websocket)))
            return websocket

        people = []
        for first in range(0, n.connections, 50):
            people += await asyncio.gather(*map(arrive, range(first, first + 50)))
        each = (memory(server) - before) / n.connections * 1024
        assert all(one.close_code is None for one in people), "des connexions se sont fermées"
        assert each < 100, f"{each:.0f} Kio par connexion"
        for one in people:
            one.transport.abort()
        await asyncio.gather(*readers)
    report(
        "connexions calmes",
        connexions=n.connections,
        chacune=f"{each:.0f} Kio",
        durée=seconds(start),
    )


async def ignore(websocket) -> None:
    with suppress(ConnectionClosed):
        async for _ in websocket:
            pass
