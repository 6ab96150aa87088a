"""Plusieurs serveurs, une seule salle : qu'ils meurent, s'endorment ou se disputent quelqu'un."""

import asyncio
import random
import signal
import time
from collections import Counter
from contextlib import suppress

import pytest
from support.chat import Chatter
from support.costs import connections, deaf_client, descriptors, memory
from support.crowd import Crowd, check_exact, in_ms, lost_and_doubled, percentile
from support.forms import forms, report
from support.proxy import proxy_for
from support.room import Room, forget
from support.stage import Stage, eventually, stage
from websockets.exceptions import ConnectionClosed

LEFT = "{} a quitté la chatroom"


# --- Une seule salle -----------------------------------------------------------------------------


async def test_one_chat(room: Room):
    """Arrivée, parole, départ, retour : tout passe d'un serveur à l'autre, une fois."""
    pair = await room.add(2)
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


async def test_everyone_at_the_same_instant(room: Room):
    """150 personnes de deux serveurs parlent au même instant : chacun lit le même ordre, en peu de
    trames, et rien ne se perd ni ne double."""
    pair = await room.add(2)
    witnesses = await room.gather("Témoin 1", "Témoin 2", servers=pair)
    crowd = await asyncio.gather(*(room.join(f"P{n}", pair[n % 2]) for n in range(150)))
    forget(*witnesses)
    for turn in range(4):
        await asyncio.gather(*(one.say(f"{turn} de P{n}") for n, one in enumerate(crowd)))
    for witness in witnesses:
        await witness.until(lambda w=witness: len(w.messages) >= 600, "tous les messages")
        assert len(witness.frames) < 300
    order = witnesses[0].messages
    assert witnesses[1].messages == order and len(set(order)) == 600
    for number, one in enumerate(crowd):
        others = [text for text in order if not text.endswith(f" de P{number}")]
        await one.until(lambda o=one: len(o.messages) >= 596, "les messages des autres")
        assert one.messages == others


async def test_mine_are_told_apart(room: Room):
    """Au retour reviennent ses propres messages, jamais ses propres départs ni retours."""
    pair = await room.add(2)
    ada, bob = await room.gather("Ada", "Bob", servers=pair)
    session = ada.session
    for turn in range(5):
        await ada.say(f"tour {turn}")
        await bob.hear(f"tour {turn}")
        await ada.cut()
        await bob.until(lambda t=turn: bob.announced(LEFT.format("Ada")) > t, "son départ")
        ada = await room.come_back(session, pair[turn % 2])
        await ada.hear(f"tour {turn}")
    await bob.say("fin")
    await ada.hear("fin")
    assert not [line for line in ada.lines if "Annonce : Ada" in line]


@forms(
    short={"messages": 1500, "newcomers": 15, "rate": 50},
    long={"messages": 10_000, "newcomers": 50, "rate": 50},
)
async def test_join_storm(storage, program, messages, newcomers, rate):
    """Qui entre en plein trafic, où que ce soit, reçoit les 20 derniers messages, puis tous les
    suivants : sans trou, sans double, dans l'ordre commun."""
    async with stage(storage, program) as room:
        crowd = Crowd(room)
        for side, server in enumerate(room.servers):
            await crowd.arrive(server, *(f"auteur {side}{number}" for number in range(5)))
        witness = await room.join("témoin")
        crowd.start(rate, count=messages // len(crowd.authors))
        await witness.until(lambda: len(witness.messages) >= 40, "le trafic")
        duration = messages / len(crowd.authors) / rate
        chance = random.Random(0)

        async def newcomer(number: int) -> Chatter:
            await asyncio.sleep(chance.uniform(0, duration * 0.9))
            return await room.join(f"venu {number}", chance.choice(room.servers))

        people = await asyncio.gather(*map(newcomer, range(newcomers)))
        for one in people:
            await one.until(lambda who=one: len(who.messages) >= 20, "les 20 derniers messages")
        await crowd.finish()
        await crowd.end(witness, *people, *crowd.authors.values())
        said = room.said()
        check_exact(said, *(one.messages for one in people))
        first = {one.frames[1].count(" a dit : ") for one in people}
        assert first == {20}, f"messages de la première trame : {first}"
        assert witness.messages == said, "le premier témoin n'a pas tout entendu"
        for pseudo, author in crowd.authors.items():
            others = [text for text in said if not text.startswith(f"{pseudo}-")]
            assert author.messages == others, f"{pseudo} n'a pas entendu tous les autres, et eux"
        copied = await room.until_copied()
        assert copied == said, lost_and_doubled(said, copied)
        waits = crowd.latencies(witness)
    p50, p99 = in_ms(percentile(waits, 50)), in_ms(percentile(waits, 99))
    report("entrées en plein trafic", messages=len(said), nouveaux=newcomers, p50=p50, p99=p99)


# --- Un serveur meurt ----------------------------------------------------------------------------


@forms(
    short={"people": 2, "messages": 200, "rate": 20},
    long={"people": 10, "messages": 5000, "rate": 20},
    together=True,
)
async def test_killed(storage, program, people, messages, rate):
    """Un serveur sur trois meurt : qui revient ailleurs n'a rien perdu ; le départ des autres est
    annoncé une fois, en moins de 25 s, et leur nom libre."""
    async with stage(storage, program, servers=3) as room:
        doomed, *survivors = room.servers
        back = [f"retour {number}" for number in range(people)]
        ghosts = [f"fantôme {number}" for number in range(people)]
        crowd = Crowd(room)
        await crowd.arrive(doomed, *back, *ghosts)
        for number, server in enumerate(survivors):
            await crowd.arrive(server, *(f"ailleurs {number}{k}" for k in range(people)))
        before = dict(crowd.authors)
        witnesses = [await room.join(f"témoin {one.port}", one) for one in survivors]
        crowd.start(rate)
        await witnesses[0].until(lambda: len(witnesses[0].messages) > messages, "le trafic", 60)

        doomed.kill()
        death = time.perf_counter()
        await asyncio.gather(*(before[pseudo].closed() for pseudo in back + ghosts))
        twin = await room.open(f"Hello|{ghosts[0]}", survivors[0])
        assert await twin.closed() == 4003, "un nom se libère avant son échéance"
        for number, pseudo in enumerate(back):
            session, server = before[pseudo].session, survivors[number % 2]
            crowd.authors[pseudo] = await room.come_back(session, server)
            crowd.start_one(pseudo, rate)
        for pseudo in ghosts:
            del crowd.authors[pseudo]
        heard = len(witnesses[0].messages)
        await witnesses[0].until(
            lambda: len(witnesses[0].messages) > heard + messages, "la suite", 60
        )
        for witness in witnesses:
            await witness.until(
                lambda who=witness: all(who.announced(LEFT.format(ghost)) for ghost in ghosts),
                "le départ de chaque fantôme est annoncé",
                timeout=max(1, 25 - (time.perf_counter() - death)),
            )
        noticed = time.perf_counter() - death
        await crowd.end(*witnesses)
        for ghost in ghosts:
            await room.join(ghost, survivors[0])
        departures = {pseudo: room.count("leave", pseudo) for pseudo in before}
        expected = {pseudo: int(pseudo in ghosts) for pseudo in before}
        assert departures == expected, f"départs annoncés : {departures}"

        said = room.said()
        check_exact(said, *(witness.messages for witness in witnesses))
        everybody = [*before.values(), *crowd.authors.values(), *witnesses]
        seen = {text for one in everybody for text in one.messages}
        copied = await room.until_copied(timeout=90)  # un lot que le mort copiait attend 30 s
        lost, doubled = lost_and_doubled(seen, copied)
        assert not lost and not doubled, f"{len(lost)} perdus, {len(doubled)} doublés"
    report(
        "serveur tué",
        envoyés=len(crowd.sent) + len(crowd.authors),
        vus=len(seen),
        départs=f"{people} fantômes annoncés une fois en {noticed:.1f} s",
    )


@pytest.mark.together
async def test_killed_alone(storage, program):
    """Un serveur seul meurt, on le relance : on y revient aussitôt par son `ID|`, et le nom de qui
    ne revient pas se libère à son échéance."""
    async with stage(storage, program, servers=1) as room:
        faithful, ghost = [await room.join(pseudo) for pseudo in ("Fidèle", "Fantôme")]
        room.servers[0].kill()
        assert [await one.closed() for one in (faithful, ghost)] == [1006, 1006]
        [server] = await room.add()
        back = await room.come_back(faithful.session, server)
        await back.see(f"^Annonce : {LEFT.format('Fantôme')}$", 25)
        again = await room.join("Fantôme", server)
        await again.say("me revoilà")
        await back.hear("me revoilà")


@pytest.mark.together
async def test_suspended(storage, program):
    """Un serveur dort plus qu'une présence : à son réveil, il ne fait parler ni qui est revenu
    ailleurs, ni qui est parti."""
    async with stage(storage, program) as room:
        start = time.perf_counter()
        asleep, awake = room.servers
        witness = await room.join("témoin", awake)
        names = "Léa", "Bob", "Zoé"
        lea, bob, zoe = [await room.join(pseudo, asleep) for pseudo in names]
        asleep.send_signal(signal.SIGSTOP)
        try:
            elsewhere = await room.come_back(lea.session, awake)
            await lea.say("volé")
            for gone in "Bob", "Zoé":
                await witness.see(LEFT.format(gone), 25)
            noticed = time.perf_counter() - start
            await bob.say("trop tard")
        finally:
            asleep.send_signal(signal.SIGCONT)
        codes = await lea.closed(), await bob.closed(), await zoe.closed()
        assert codes == (4001, 1012, 1012), f"codes de fermeture : {codes}"
        back = await room.come_back(bob.session, asleep)
        for one in back, elsewhere:
            await one.say("me revoilà")
        await witness.until(lambda: len(witness.messages) >= 2, "tous deux parlent")
        assert room.said() == ["me revoilà"] * 2, f"dits : {room.said()}"
        departures = [room.count("leave", pseudo) for pseudo in (*names, "témoin")]
        assert departures == [0, 1, 1, 0], f"départs annoncés : {departures}"
    report("serveur suspendu", parti_en=f"{noticed:.1f} s", codes=codes, volés=0)


# --- Un client part et revient -------------------------------------------------------------------


@forms(short={"rate": 20, "missed": 60}, long={"rate": 100, "missed": 5000}, together=True)
async def test_cut_and_back(storage, program, rate, missed):
    """Coupé, on retrouve à son retour, même ailleurs, tout ce qu'on a manqué."""
    async with stage(storage, program) as room, proxy_for(room.servers[0].url) as link:
        here, elsewhere = room.servers
        crowd = Crowd(room)
        await crowd.arrive(elsewhere, "Ali", "Bea")
        crowd.start(rate)
        cut = await Chatter.join(link.in_front_of(here.url), "Léa")
        await cut.until(lambda: len(cut.messages) > 2 * rate, "le trafic")
        link.cut()
        await cut.closed()
        away = len(crowd.sent)
        await eventually(lambda: len(crowd.sent) >= away + missed, f"{missed} sans elle", 60)
        back = await room.come_back(cut.session, elsewhere)
        await crowd.end(back)
        said = room.said()
        everything = cut.messages + back.messages
        lost, again = lost_and_doubled(said[said.index(cut.messages[0]) :], everything)
        assert not lost, f"{len(lost)} messages manquent à son retour"
        check_exact(said, back.messages)
    fresh = len(set(back.messages) - set(cut.messages))
    report("client coupé", messages=len(said), manqués_puis_reçus=fresh, relus=len(again))


@forms(
    short={"rate": 20, "seconds": 12, "lag": 12},
    long={"rate": 100, "seconds": 17, "lag": 8},
    together=True,
)
async def test_link_swallowed(storage, program, rate, seconds, lag):
    """Le fil d'un client avale tout, puis il revient : rien de ce qui suit la dernière position
    notée ne manque, et cette position est récente."""
    async with (
        stage(storage, program, servers=1) as room,
        proxy_for(room.servers[0].url) as link,
    ):
        crowd = Crowd(room)
        await crowd.arrive(room.servers[0], "Ali", "Bea")
        crowd.start(rate)
        cut = await Chatter.join(link.in_front_of(room.servers[0].url), "Léa")
        await cut.until(lambda: len(cut.messages) > rate, "le trafic")
        link.swallow()
        mute = len(crowd.sent)
        await eventually(
            lambda: len(crowd.sent) >= mute + 2 * rate * seconds, "le temps passe", 6 * seconds
        )
        link.flow()
        link.cut()
        back = await room.come_back(cut.session)
        position = room.keys.hget(room.key(f"session:{cut.session}"), "position")
        age = time.time() - int(position.split("-")[0]) / 1000
        await crowd.end(back)
        said = room.said()
        check_exact(said, back.messages)
        everything = cut.messages + back.messages
        lost, again = lost_and_doubled(said[said.index(cut.messages[0]) :], everything)
        after, _ = lost_and_doubled(room.said(since=position), back.messages)
        assert not after, f"{len(after)} messages d'après la dernière position notée sont perdus"
        assert age < lag, f"la dernière position notée date de {age:.1f} s"
    report("fil qui avale", perdus_avant_la_position=len(lost), perdus_après=0, relus=len(again))


@pytest.mark.together
async def test_slow_redis(storage, program):
    """Qui revient en plein bavardage suit vite le direct, et parle, même si Redis met plus de temps
    à lui donner ce qu'il a manqué que la salle à continuer."""
    async with stage(storage, program, servers=1, links=1) as room:
        crowd = Crowd(room)
        await crowd.arrive(room.servers[0], "Ali", "Bea")
        gone = await room.join("Léa", room.servers[1])
        await gone.leave()
        crowd.start(50)
        await crowd.authors["Ali"].hear("Bea-9")
        room.links[0].slow = b"XRANGE", 0.2
        back = await room.come_back(gone.session, room.servers[1])
        await back.say("enfin")
        await crowd.authors["Ali"].hear("enfin")
        await crowd.end(back)
        check_exact([text for text in room.said() if text != "enfin"], back.messages)


# Plus que l'échéance d'une présence, moins que la patience d'un ping.
@forms(
    short={"messages": 2000, "seconds": 22}, long={"messages": 5000, "seconds": 30}, together=True
)
async def test_slow_return(storage, program, messages, seconds):
    """Qui revient par un lien lent n'est pas déclaré parti pendant qu'il lit son retard."""
    async with stage(storage, program) as room:
        author, cut = await room.join("auteur"), await room.join("Léa", room.servers[1])
        await cut.cut()
        await author.see(LEFT.format("Léa"))
        for number in range(messages):
            await author.say(f"{number} {'é' * 1990}")
        await eventually(lambda: room.keys.xlen(room.key("room")) > messages, "tout est dit", 60)
        back = await deaf_client(room, f"ID|{cut.session}", room.servers[1])
        await asyncio.sleep(seconds)
        assert len(back.messages) < messages, "rien ne l'attendait plus : le lien n'est pas lent"
        back.websocket.transport.resume_reading()
        await back.until(lambda: len(back.messages) == messages, "tout son retard", 60)
        assert back.messages == room.said()
        assert room.count("leave", "Léa") == 1, "déclarée partie pendant qu'elle lit son retard"
        await author.say("enfin")
        await back.hear("enfin")


@forms(short={"turns": 5, "tabs": 4}, long={"turns": 50, "tabs": 10})
async def test_taken_over(storage, program, turns, tabs):
    """Des onglets reviennent au même instant avec la même session : un seul la garde, et rien ne
    passe plus d'un onglet qu'un autre a remplacé."""
    async with stage(storage, program) as room:
        witness, owner = await room.join("témoin"), await room.join("Léa")
        session, codes = owner.session, Counter()
        for turn in range(turns):
            opened = await asyncio.gather(
                *(room.open(f"ID|{session}", room.servers[k % 2]) for k in range(tabs))
            )
            talks = [asyncio.create_task(talk(tab)) for tab in (owner, *opened)]
            await eventually(
                lambda tabs=opened: sum(tab.websocket.close_code is None for tab in tabs) == 1,
                f"tour {turn} : un seul onglet reste ouvert",
            )
            codes.update(tab.websocket.close_code for tab in (owner, *opened))
            [owner] = [tab for tab in opened if tab.websocket.close_code is None]
            for one in talks:
                one.cancel()
            await asyncio.gather(*talks, return_exceptions=True)
            check_silenced(room)  # avant : ce qu'ils diraient ferait passer ceci pour déjà dit
            await owner.say(f"tour {turn}")
            await witness.hear(f"tour {turn}")
        del codes[None]
        assert set(codes) == {4001}, f"codes de fermeture : {codes}"
        assert room.count("leave", "Léa") == 0, "un départ est annoncé alors qu'elle est là"
        check_silenced(room)
        assert witness.announced("Léa est de retour !") == room.count("return", "Léa")
    report("session reprise", reprises=turns * tabs, messages=len(witness.messages), volés=0)


async def talk(tab: Chatter) -> None:
    """Parle sans arrêt, jusqu'à la fermeture, en signant chaque message."""
    with suppress(ConnectionClosed):
        while True:
            await tab.say(f"onglet {id(tab)}")
            await asyncio.sleep(0.001)


def check_silenced(room: Stage) -> None:
    stolen = speakers_mixed(room.stream())
    assert not stolen, f"{stolen} onglets remplacés parlent encore"


def speakers_mixed(stream: list[dict]) -> int:
    """Combien d'onglets parlent après un retour qui n'est pas le leur : chacun n'a droit qu'à un
    seul intervalle entre deux retours, et chaque intervalle à un seul onglet."""
    part, parts, speakers = 0, {}, {}
    for entry in stream:
        part += entry["kind"] == "return"
        if entry.get("text", "").startswith("onglet"):
            parts.setdefault(entry["text"], set()).add(part)
            speakers.setdefault(part, set()).add(entry["text"])
    return sum(len(group) - 1 for group in (*parts.values(), *speakers.values()))


# --- Des foules ----------------------------------------------------------------------------------


@forms(short={"turns": 2, "claims": 40}, long={"turns": 20, "claims": 500})
async def test_claims(storage, program, turns, claims):
    """Un pseudo demandé par une foule, sur deux serveurs, de quatre façons : un seul gagnant."""
    spellings = "Zoé", "ZOÉ", "Ｚｏé", "Zoe\u0301"
    async with stage(storage, program) as room:
        for turn in range(turns):
            crowd = [await room.open(server=room.servers[k % 2]) for k in range(claims)]
            hellos = [f"Hello|{spellings[k % 4]}" for k in range(claims)]
            await asyncio.gather(*map(Chatter.say, crowd, hellos))
            await eventually(
                lambda crowd=crowd: all(one.session or one.websocket.close_code for one in crowd),
                "chacun a sa réponse",
                30,
            )
            winners = [one for one in crowd if one.session]
            codes = {one.websocket.close_code for one in crowd if not one.session}
            assert len(winners) == 1, f"tour {turn} : {len(winners)} gagnants"
            assert codes == {4003}, f"tour {turn} : {codes}"
            await winners[0].leave()
            await eventually(lambda: not room.keys.exists(room.key("pseudos")), "le nom est rendu")


@forms(
    short={"warm_up": 100, "visits": 300, "growth": 3},
    long={"warm_up": 500, "visits": 10_000, "growth": 10},
    together=True,
)
async def test_arrivals(storage, program, warm_up, visits, growth):
    """Des milliers de gens passent : le serveur et Redis redeviennent comme avant."""
    async with stage(storage, program, servers=1, SESSION_TTL="30") as room:
        [server] = room.servers
        host = await room.join("hôte")
        await host.say("bienvenue")

        async def visit(number: int) -> None:
            one = await Chatter.join(server.url, f"visiteur {number}")
            if number % 4 < 2:  # les autres repartent avant même la fin de l'accueil
                await one.see(" a dit : ")
            await one.say("bonjour et au revoir")
            await (one.cut() if number % 2 else one.leave())

        async def receive(first: int, count: int) -> None:
            for number in range(first, first + count, 20):
                await asyncio.gather(*map(visit, range(number, number + 20)))
            await eventually(alone, "plus personne, ni connexion ouverte", 30)

        def alone() -> bool:
            return room.keys.hlen(room.key("pseudos")) == connections(server) == 1  # l'hôte

        await receive(0, warm_up)  # la mémoire des premiers, les bibliothèques la gardent
        opened, before = descriptors(server), memory(server)
        await receive(warm_up, visits)
        await eventually(
            lambda: descriptors(server) < opened + 10, f"plus de {opened} descripteurs"
        )
        after = memory(server)
        assert after - before < growth, f"de {before:.1f} à {after:.1f} Mo"
        await host.leave()
        await eventually(
            lambda: set(room.keys.keys()) <= {room.key("room")}, "plus aucune session", 45
        )
    report("arrivées et départs", visites=visits, mémoire=f"{before:.1f} puis {after:.1f} Mo")


@pytest.mark.endurance
async def test_ten_minutes_of_silence(room: Room):
    """Dix minutes sans un mot : personne n'est parti, rien n'a été écrit, et la salle vit."""
    people = await room.gather("Ada", "Bob", "Cléo", servers=await room.add(2))
    ends = [asyncio.create_task(chatter.websocket.wait_closed()) for chatter in people]
    closed, _ = await asyncio.wait(ends, timeout=600, return_when=asyncio.FIRST_COMPLETED)
    assert not closed and [chatter.lines for chatter in people] == [[], [], []]
    await people[0].say("toujours là ?")
    for chatter in people[1:]:
        await chatter.hear("toujours là ?")
    for end in ends:
        end.cancel()
