"""Le chat tel qu'un client le voit, le même sur les trois serveurs."""

import asyncio
import re
import unicodedata
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from support.chat import Chatter
from support.processes import PATIENCE
from support.room import CHAT_SERVERS, I_3, II_2, II_3, Room, forget
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

FAMILY = "👨‍👩‍👧‍👦"  # quatre personnes et trois liants : un seul dessin
SHIFT_JP = "Asia/Tokyo"
STAMPED = re.compile(r"\[\d\d:\d\d\] \S")
# Ce que le serveur dit à une connexion, et non de la salle.
PERSONAL = ("ID|", "Welcome back ", "Erreur : ")

each_server = pytest.mark.parametrize("script", CHAT_SERVERS)
with_redis = pytest.mark.parametrize("script", [II_2, II_3])


@pytest.fixture
async def room(script: str, redis_url: str, mongo_url: str):
    """Une salle tenue par un seul serveur."""
    async with Room(redis_url, mongo_url) as room:
        room.start(script)
        yield room


@pytest.fixture
async def empty_room(redis_url: str, mongo_url: str):
    """Une salle où le test démarre ses serveurs lui-même."""
    async with Room(redis_url, mongo_url) as room:
        yield room


async def settle(*people: Chatter) -> None:
    """Attend que chacun ait vu tout ce qui s'est passé jusqu'ici : l'ordre est le même pour tous,
    donc une marque de l'un arrive aux autres après le reste. Les marques sont effacées."""
    first, second, *_ = people
    for author, mark in (first, "marque 1"), (second, "marque 2"):
        await author.say(mark)
        line = f"{mark}$"
        await asyncio.gather(*(other.see(line) for other in people if other is not author))
    for chatter in people:
        chatter.lines[:] = [one for one in chatter.lines if " a dit : marque " not in one]


async def refusal(stranger: Chatter) -> int:
    """Rend le code qui ferme une connexion refusée, ou 0 si elle est acceptée."""
    await stranger.until(lambda: stranger.frames, "attend une réponse")
    return 0 if stranger.session else await stranger.closed()


# --- Arriver ---------------------------------------------------------------------------------


@each_server
async def test_everyone_hears_the_others(room: Room):
    """Arrivée, parole, départ : les autres les voient, dans l'ordre, et leur auteur jamais."""
    ada = await room.join("Ada")
    bob = await room.join("Bob")
    await ada.see("Bob a rejoint")
    await ada.say("bonjour Bob")
    await bob.hear("bonjour Bob")
    await bob.say("bonjour Ada")
    await ada.hear("bonjour Ada")
    await bob.leave()
    await ada.see("a quitté")
    await ada.leave()
    assert ada.lines == [
        f"ID|{ada.session}",
        "Annonce : Bob a rejoint la chatroom",
        "Bob a dit : bonjour Ada",
        "Annonce : Bob a quitté la chatroom",
    ]
    assert bob.lines == [f"ID|{bob.session}", "Ada a dit : bonjour Bob"]


@each_server
async def test_lines_are_stamped_and_personal_frames_stand_alone(room: Room):
    """Toute ligne porte son heure, sauf ID|, Welcome back et Erreur, qui ont leur propre trame."""
    ada, bob = await room.gather("Ada", "Bob")
    await bob.say("un message")
    await bob.say("x" * 2001)
    await ada.hear("un message")
    await bob.see("^Erreur : ")
    await bob.leave()
    await ada.see("a quitté")
    bob = await room.come_back(bob.session)
    chloe = await room.join("Chloé")
    await chloe.say("bonjour")
    await asyncio.gather(ada.hear("bonjour"), bob.hear("bonjour"))
    for frame in ada.frames + bob.frames + chloe.frames:
        if frame.startswith(PERSONAL):
            assert "\n" not in frame
        else:
            assert all(map(STAMPED.match, frame.split("\n"))), frame


@each_server
async def test_time_is_the_server_s(empty_room: Room, script: str):
    """L'heure d'une ligne est celle de la machine du serveur."""
    empty_room.start(script, TZ=SHIFT_JP)
    ada, bob = await empty_room.gather("Ada", "Bob")
    before = datetime.now(ZoneInfo(SHIFT_JP))
    await bob.say("quelle heure est-il ?")
    await ada.hear("quelle heure est-il ?")
    moments = (before, before + timedelta(minutes=1))
    assert ada.frames[-1][:7] in {f"[{moment:%H:%M}]" for moment in moments}


@each_server
async def test_session_is_a_secret(room: Room):
    """Une session ne se devine pas, et n'est montrée qu'à son client."""
    ada, bob, chloe = await room.gather("Ada", "Bob", "Chloé")
    sessions = [chatter.session for chatter in (ada, bob, chloe)]
    assert len(set(sessions)) == 3 and all(len(session) >= 20 for session in sessions)
    await bob.leave()
    await ada.see("a quitté")
    await room.come_back(bob.session)
    await ada.see("est de retour")
    assert not any(session in frame for session in sessions for frame in ada.frames)


@each_server
async def test_refused_hello(room: Room):
    """Une première trame qui n'est ni Hello| ni un ID| connu : une raison, le code qui convient, et
    la salle n'en sait rien."""
    ada, bob = await room.gather("Ada", "Bob")
    wrong = {
        "bonjour": 1008,
        "": 1008,
        "Hello": 1008,
        "hello|Zoé": 1008,
        " Hello|Zoé": 1008,
        "ID": 1008,
        '{"type": "Hello", "pseudo": "Zoé"}': 1008,
        b"Hello|Zo\xc3\xa9": 1003,
        b"\xff\x00": 1003,
        "ID|": 4002,
        "ID|inconnue": 4002,
        "ID|*": 4002,
        f"ID|{ada.session}x": 4002,
        f"ID|session:{ada.session}": 4002,
        f"ID|{ada.session[:-1]}": 4002,
        f"ID|{'x' * 8000}": 4002,
        "Hello|Ada": 4003,
    }
    strangers = [await room.open(first) for first in wrong]
    codes = [await refusal(stranger) for stranger in strangers]
    assert dict(zip(wrong, codes, strict=True)) == wrong
    for stranger in strangers:
        assert len(stranger.frames) == 1 and stranger.frames[0].startswith("Erreur : ")
        assert len(stranger.websocket.close_reason) > 10
    await settle(ada, bob)
    assert ada.lines == bob.lines == []


@each_server
async def test_broken_first_frame(room: Room):
    """Trop longue ou mal encodée, la première trame est fermée par la bibliothèque, sans un mot."""
    ada, bob = await room.gather("Ada", "Bob")
    too_long = await room.open(f"Hello|{'x' * 10_000}")
    assert await too_long.closed() == 1009
    garbled = await room.open()
    await garbled.websocket.send(b"Hello|\xff\xfe", text=True)
    assert await garbled.closed() == 1007
    assert too_long.frames == garbled.frames == []
    await settle(ada, bob)
    assert ada.lines == bob.lines == []


@each_server
async def test_stranger_hears_nothing(room: Room):
    """Qui ne s'est pas présenté ne reçoit rien de la salle, et peut partir sans la déranger."""
    stranger = await room.open()
    ada, bob = await room.gather("Ada", "Bob")
    await settle(ada, bob)
    await stranger.cut()
    assert stranger.frames == []
    silent = await room.open()
    await silent.leave()
    await settle(ada, bob)
    assert ada.lines == bob.lines == []


async def test_silent_strangers_are_sent_away(empty_room: Room):
    """Sans première trame en 10 s : une raison et le code 1008, sur chaque serveur."""
    servers = [empty_room.start(script) for script in CHAT_SERVERS]
    strangers = [await empty_room.open(server=server) for server in servers]
    started = asyncio.get_running_loop().time()
    codes = await asyncio.gather(*(stranger.closed(timeout=13) for stranger in strangers))
    waited = asyncio.get_running_loop().time() - started
    assert codes == [1008] * 3
    assert waited > 9.5
    assert all(re.fullmatch("Erreur : .*10 s.*", one.frames[0]) for one in strangers)


# --- Pseudos ---------------------------------------------------------------------------------


@each_server
async def test_pseudos_shown_as_they_are(room: Room):
    """Un pseudo accepté est montré en NFC, sans blancs autour ; accents, espaces insécables et
    émojis composés restent."""
    witness = await room.join("Témoin")
    accepted = {
        "x": "x",
        "P" * 32: "P" * 32,
        "🦊" * 32: "🦊" * 32,
        "  Ada\t": "Ada",
        " " * 100 + "Bob": "Bob",
        unicodedata.normalize("NFD", "Zoé"): "Zoé",
        "Jean\u00a0Pierre": "Jean\u00a0Pierre",
        "Quoi\u202f?": "Quoi\u202f?",
        "Eve\u2003Lin": "Eve Lin",
        "Ligne\nsuite": "Ligne suite",
        FAMILY: FAMILY,
        "👍🏽": "👍🏽",
        "می‌خواهم": "می‌خواهم",
        "李雷": "李雷",
        "a|b": "a|b",
        "O'Brien": "O'Brien",
        "Annoncia": "Annoncia",
        "il a dit": "il a dit",
        "42": "42",
        "{pseudo}": "{pseudo}",
    }
    for pseudo in accepted:
        await room.join(pseudo)
    await witness.until(lambda: len(witness.lines) > len(accepted), "attend toutes les arrivées")
    shown = [re.fullmatch("Annonce : (.*) a rejoint la chatroom", x)[1] for x in witness.lines[1:]]
    assert shown == list(accepted.values())


@each_server
async def test_pseudos_refused(room: Room):
    """Trop long, invisible, dangereux pour un écran ou semblable au serveur : refusé, code 1008."""
    ada, bob = await room.gather("Ada", "Bob")
    refused = {
        "trop long": "P" * 33,
        "trop long (émojis)": "🦊" * 33,
        "vide": "",
        "blancs": " \t\u00a0\u202f\u2003",
        "remplisseur hangul": "\u3164",
        "braille vide": "\u2800",
        "liants seuls": "\u200d\u200c",
        "accent seul": "\u0301",
        "sélecteur seul": "\ufe0f",
        "nul": "a\0b",
        "cloche": "a\x07b",
        "effacement": "a\x7fb",
        "couleur": "\x1b[31mrouge",
        "ANSI de 8 bits": "\x9b31mrouge",
        "sens d'écriture": "a\u202eb",
        "isolat": "\u2066ab\u2069",
        "largeur nulle": "a\u200bb",
        "BOM": "a\ufeffb",
        "trait d'union conditionnel": "a\u00adb",
        "usage privé": "a\ue000b",
        "étiquettes": "a\U000e0041b",
        "phrase": "Bob a dit : salut",
        "phrase (majuscules)": "Bob A DIT : salut",
        "phrase (insécables)": "Bob a\u00a0dit\u00a0: salut",
        "phrase au bord": "a dit : moi",
        "phrase au bout": "Bob a dit :",
        "heure": "[12:00] Bob",
        "annonce": "Annonce : Bob a quitté",
        "annonce (majuscules)": "ANNONCE : Bob",
        "annonce (pleine chasse)": "Ａｎｎｏｎｃｅ : Bob",
        "annonce (insécable)": "Annonce\u00a0: Bob",
        "erreur": "Erreur : panne",
        "retour": "Welcome back Bob !",
        "soi": "Vous avez dit : rien",
        "hello": "Hello|Bob",
        "session": "ID|123",
    }
    strangers = [await room.open(f"Hello|{pseudo}") for pseudo in refused.values()]
    codes = [await refusal(stranger) for stranger in strangers]
    accepted = [name for name, code in zip(refused, codes, strict=True) if code != 1008]
    assert accepted == []
    assert all(stranger.lines[0].startswith("Erreur : ") for stranger in strangers)
    await settle(ada, bob)
    assert ada.lines == bob.lines == []


@each_server
async def test_pseudo_is_unique(room: Room):
    """Un pseudo pris l'est sous toutes ses formes (4003), et libre dès que son départ est dit."""
    lea, street, witness = await room.gather("Léa", "Straße 1", "Témoin")
    same = "Léa", "léa", "LÉA", "Le\u0301a", "ｌéａ", " Léa ", "STRASSE 1", "Straße\u00a01"
    strangers = [await room.open(f"Hello|{pseudo}") for pseudo in same]
    codes = [await refusal(stranger) for stranger in strangers]
    assert [pseudo for pseudo, code in zip(same, codes, strict=True) if code != 4003] == []
    await room.join("Lea")
    await lea.leave()
    await witness.see("Léa a quitté")
    await room.join("LÉA")
    await witness.see("LÉA a rejoint")


# --- Messages --------------------------------------------------------------------------------


@each_server
async def test_messages_are_cleaned(room: Room):
    """Un message tient sur une ligne, en NFC, sans rien qui puisse déranger un écran."""
    ada, bob = await room.gather("Ada", "Bob")
    cleaned = {
        "un\ndeux\r\ntrois\rquatre": "un deux trois quatre",
        "un\u2028deux\u2029trois\x85quatre\x0bcinq": "un deux trois quatre cinq",
        "un\tdeux\u2003trois\u3000quatre": "un deux trois quatre",
        "  autour  ": "autour",
        "Quoi\u202f? «\u00a0Rien\u00a0»": "Quoi\u202f? «\u00a0Rien\u00a0»",
        unicodedata.normalize("NFD", "été à Nîmes"): "été à Nîmes",
        "\x1b[31mrouge\x1b[0m": "[31mrouge[0m",
        "\x1b]0;titre\x07fin": "]0;titrefin",
        "\x9b2Jefface": "2Jefface",
        "nul\0 et \x08retour\x7f": "nul et retour",
        "sens \u202eresrevni\u202c": "sens resrevni",
        "isolat \u2066x\u2069": "isolat x",
        "lar\u200bgeur\ufeff nulle": "largeur nulle",
        "privé \ue000\U000f0000 !": "privé  !",
        "e\u200b\u0301": "é",
        f"{FAMILY} 👍🏽 ❤️": f"{FAMILY} 👍🏽 ❤️",
        "می‌خواهم": "می‌خواهم",
        "{text} %s $1 \\n <b>&amp;": "{text} %s $1 \\n <b>&amp;",
        "Annonce : Bob a quitté la chatroom": "Annonce : Bob a quitté la chatroom",
        "ID|123": "ID|123",
        "Hello|Bob": "Hello|Bob",
    }
    for text in cleaned:
        await ada.say(text)
    await ada.say("fin")
    await bob.hear("fin")
    assert bob.messages == [*cleaned.values(), "fin"]
    assert [line for line in bob.lines if not line.startswith("Ada a dit : ")] == []
    assert ada.lines == []


@each_server
async def test_empty_messages_are_ignored(room: Room):
    """Un message vide, ou qui l'est une fois nettoyé, ne dérange personne."""
    ada, bob = await room.gather("Ada", "Bob")
    for text in "", " ", "\n\n", "\u00a0\u202f", "\0", "\x1b\x07", "\u200b\ufeff", "\u2028":
        await ada.say(text)
    await settle(ada, bob)
    assert ada.lines == bob.lines == []


@each_server
async def test_long_messages(room: Room):
    """2000 caractères passent, astraux compris ; au-delà l'auteur lit pourquoi, et reste."""
    ada, bob = await room.gather("Ada", "Bob")
    longest = {
        "é" * 2000: "é" * 2000,
        "🦊" * 2000: "🦊" * 2000,
        "x" * 2000 + "\x1b" * 500: "x" * 2000,
        " " * 300 + "y" * 2000: "y" * 2000,
    }
    for text in longest:
        await ada.say(text)
    for number, text in enumerate(("é" * 2001, "🦊" * 2001, "x" * 9000), start=1):
        await ada.say(text)
        await ada.until(lambda number=number: len(ada.frames) == number, "attend l'erreur")
    await settle(ada, bob)
    assert bob.messages == list(longest.values())
    assert all(re.fullmatch(r"Erreur : .*2000.*", frame) for frame in ada.frames[:3])


@each_server
@pytest.mark.parametrize(
    ("frame", "as_text", "code"),
    [
        (b"bonjour", False, 1003),
        (b"bonjour \xff\xfe", True, 1007),
        (b"\xed\xa0\xbd\xed\xb8\x80", True, 1007),  # une paire de substitution, en UTF-8
        (b"x" * 10_000, True, 1009),
    ],
)
async def test_frames_that_close(room: Room, frame: bytes, as_text: bool, code: int):
    """Du binaire, de l'UTF-8 invalide, une trame énorme : fermés, et le départ est annoncé."""
    ada, bob = await room.gather("Ada", "Bob")
    await bob.websocket.send(frame, text=as_text)
    assert await bob.closed() == code
    assert [line[:9] for line in bob.lines] == (["Erreur : "] if code == 1003 else [])
    await ada.see("Bob a quitté la chatroom")
    assert len(ada.lines) == 1


@each_server
async def test_abrupt_departure_is_announced(room: Room):
    """Une connexion coupée net est un départ comme un autre, annoncé une fois."""
    ada, bob, chloe = await room.gather("Ada", "Bob", "Chloé")
    await bob.cut()
    await asyncio.gather(ada.see("Bob a quitté"), chloe.see("Bob a quitté"))
    await settle(ada, chloe)
    assert ada.lines == chloe.lines == ["Annonce : Bob a quitté la chatroom"]


@each_server
async def test_last_words(room: Room):
    """Ce qui est dit juste avant de partir passe, avant l'annonce du départ."""
    ada, bob = await room.gather("Ada", "Bob")
    for number in range(20):
        await bob.say(f"adieu {number}")
    await bob.leave()
    await ada.see("a quitté")
    last_words = [f"Bob a dit : adieu {number}" for number in range(20)]
    assert ada.lines == [*last_words, "Annonce : Bob a quitté la chatroom"]


# --- Revenir ---------------------------------------------------------------------------------


@each_server
@pytest.mark.parametrize("back", [False, True], ids=["nouveau", "de retour"])
async def test_words_of_one_who_does_not_wait(room: Room, back: bool):
    """Dix personnes se présentent, parlent et ferment sans lire leur accueil : tout passe."""
    host, *known = await room.gather("hôte", *(f"P{number}" for number in range(10)))
    await host.say("de quoi remplir l'accueil")
    await known[0].hear("de quoi remplir l'accueil")
    for chatter in known:
        await chatter.leave()
    for number in range(10):
        await host.see(f"P{number} a quitté")
    forget(host)

    async def pass_by(number: int) -> None:
        first = f"ID|{known[number].session}" if back else f"Hello|Q{number}"
        websocket = await connect(room.url(None), proxy=None)
        for frame in (first, f"bonjour de {number}", f"au revoir de {number}"):
            await websocket.send(frame)
        await websocket.close()

    await asyncio.gather(*map(pass_by, range(10)))
    for number in range(10):
        await host.hear(f"bonjour de {number}")
        await host.hear(f"au revoir de {number}")
        name = f"{'P' if back else 'Q'}{number}"
        await host.see(f"{name} a quitté")
        left = f"Annonce : {name} a quitté la chatroom"
        assert host.lines.index(left) > host.lines.index(f"{name} a dit : au revoir de {number}")


@each_server
async def test_coming_back(room: Room):
    """Par ID|, on revient : Welcome back pour soi, « est de retour ! » pour les autres."""
    ada, bob, chloe = await room.gather("Ada", "Bob", "Chloé")
    await bob.leave()
    await asyncio.gather(ada.see("a quitté"), chloe.see("a quitté"))
    forget(ada, chloe)
    back = await room.come_back(bob.session)
    assert back.frames[0] == "Welcome back Bob !"
    await asyncio.gather(ada.see("retour"), chloe.see("retour"))
    await back.say("me revoilà")
    await asyncio.gather(ada.hear("me revoilà"), chloe.hear("me revoilà"))
    await settle(ada, chloe)
    assert ada.lines == chloe.lines == ["Annonce : Bob est de retour !", "Bob a dit : me revoilà"]
    assert not any(frame.startswith("ID|") for frame in back.frames)


@with_redis
async def test_what_was_missed(room: Room):
    """Au retour, tout ce qui s'est passé pendant l'absence arrive, dans l'ordre, puis le direct."""
    ada, bob = await room.gather("Ada", "Bob")
    await bob.cut()
    await ada.see("Bob a quitté")
    missed = [f"absent {number}" for number in range(150)]
    for text in missed:
        await ada.say(text)
    chloe = await room.join("Chloé")
    await settle(ada, chloe)
    back = await room.come_back(bob.session)
    await ada.say("en direct")
    await back.hear("en direct")
    said = [text for text in back.messages if not text.startswith("marque")]
    assert said == [*missed, "en direct"]
    assert back.lines.count("Annonce : Chloé a rejoint la chatroom") == 1
    assert len(back.frames) < 20


@with_redis
async def test_own_messages_come_back(room: Room):
    """Au retour, on relit aussi ses propres messages : c'est ainsi qu'on sait qu'ils ont passé."""
    ada, bob = await room.gather("Ada", "Bob")
    await bob.say("dit juste avant la coupure")
    await ada.hear("dit juste avant la coupure")
    await bob.cut()
    await ada.see("Bob a quitté")
    back = await room.come_back(bob.session)
    await back.hear("dit juste avant la coupure")


@each_server
async def test_taken_over(room: Room):
    """Une session reprise ailleurs ferme l'ancienne connexion (4001), sans départ annoncé."""
    ada, first = await room.gather("Ada", "Bob")
    second = await room.come_back(first.session)
    assert await first.closed() == 4001
    await second.say("d'ici")
    await ada.hear("d'ici")
    await ada.say("je te vois")
    await second.hear("je te vois")
    assert ada.lines == ["Annonce : Bob est de retour !", "Bob a dit : d'ici"]
    await second.leave()
    await ada.see("a quitté")
    chloe = await room.join("Chloé")
    await settle(ada, chloe)
    assert ada.lines.count("Annonce : Bob a quitté la chatroom") == 1


@each_server
async def test_taken_over_again_and_again(room: Room):
    """Dix reprises de suite : une seule connexion reste, et elle seule parle."""
    ada, bob = await room.gather("Ada", "Bob")
    owners = [bob, *[await room.come_back(bob.session) for _ in range(10)]]
    assert [await owner.closed() for owner in owners[:-1]] == [4001] * 10
    await owners[-1].say("le dernier")
    await ada.hear("le dernier")
    assert ada.lines == ["Annonce : Bob est de retour !"] * 10 + ["Bob a dit : le dernier"]


@each_server
async def test_name_taken_while_away(room: Room):
    """Une session partie ne retient pas son pseudo : si quelqu'un l'a pris, son retour attend."""
    ada, bob = await room.gather("Ada", "Bob")
    await bob.leave()
    await ada.see("a quitté")
    usurper = await room.join("BOB")
    too_late = await room.open(f"ID|{bob.session}")
    assert await too_late.closed() == 4003
    await usurper.leave()
    await ada.see("BOB a quitté")
    await room.come_back(bob.session)


# --- La foule, et ceux qui traînent ------------------------------------------------------------


@each_server
async def test_same_order_for_everybody(room: Room):
    """50 personnes parlent à la fois : chacun reçoit tout, dans le même ordre."""
    witness = await room.join("Témoin")
    crowd = await asyncio.gather(*(room.join(f"P{number}") for number in range(50)))
    await witness.until(lambda: len(witness.lines) == 51, "attend toutes les arrivées")

    async def talk(chatter: Chatter, number: int) -> None:
        for turn in range(4):
            await chatter.say(f"{number}-{turn}")

    await asyncio.gather(*(talk(chatter, number) for number, chatter in enumerate(crowd)))
    await witness.until(lambda: len(witness.messages) == 200, "attend tous les messages")
    for number, chatter in enumerate(crowd):
        expected = [text for text in witness.messages if text.split("-")[0] != str(number)]
        await chatter.until(lambda c=chatter: len(c.messages) >= 196, "attend les autres messages")
        assert chatter.messages == expected
        own = [text for text in witness.messages if text.split("-")[0] == str(number)]
        assert own == [f"{number}-{turn}" for turn in range(4)]


@each_server
async def test_crowd_cut_at_once(room: Room):
    """50 connexions coupées net au même instant : 50 départs annoncés, et rien d'autre à l'écran du
    serveur."""
    witness = await room.join("Témoin")
    crowd = await asyncio.gather(*(room.join(f"P{number}") for number in range(50)))
    await witness.until(lambda: len(witness.lines) == 51, "attend toutes les arrivées")
    forget(witness)
    for chatter in crowd:  # ce qui reste à lire fait d'une coupure un rejet (RST)
        chatter.websocket.transport.pause_reading()
    for number in range(20):
        await witness.say(f"non lu {number}")
    for chatter in crowd:
        chatter.websocket.transport.abort()
    await witness.until(lambda: len(witness.lines) == 50, "attend tous les départs")
    expected = {f"Annonce : P{number} a quitté la chatroom" for number in range(50)}
    assert set(witness.lines) == expected


@each_server
async def test_client_that_does_not_read(room: Room):
    """Qui ne lit plus rien est écarté, et ne retarde personne."""
    ada, bob = await room.gather("Ada", "Bob")
    loop = asyncio.get_running_loop()
    delays = []
    async with connect(room.url(None), proxy=None, max_queue=1, close_timeout=1) as stuck:
        await stuck.send("Hello|Figé")
        await ada.see("Figé a rejoint")
        stuck.transport.pause_reading()
        while not any("Figé a quitté" in line for line in ada.lines):
            assert sum(delays) < 15 * PATIENCE, f"{len(delays)} fois 240 Ko, et toujours là"
            sent = loop.time()
            for number in range(30):
                await ada.say(f"{len(delays)}-{number} {'🦊' * 1990}")
            await bob.see(rf"a dit : {len(delays)}-29 ")
            delays.append(loop.time() - sent)
            assert len(bob.messages) == 30
            forget(bob)
        stuck.transport.abort()
    assert max(delays) < PATIENCE


# --- Qui peut entrer -------------------------------------------------------------------------


@each_server
async def test_origins(empty_room: Room, script: str):
    """Avec ORIGINS, seules ces pages entrent, et les clients qui ne sont pas des pages."""
    server = empty_room.start(script, ORIGINS="null, http://10.0.0.5:8000")
    for number, origin in enumerate((None, "null", "http://10.0.0.5:8000")):
        await empty_room.join(f"P{number}", server, origin=origin)
    for origin in "http://ailleurs.example", "http://10.0.0.5", "https://10.0.0.5:8000":
        with pytest.raises(InvalidStatus, match="403"):
            await empty_room.join("Zoé", server, origin=origin)


@each_server
async def test_every_origin_by_default(empty_room: Room, script: str):
    """Sans ORIGINS, ou s'il est vide, toute page entre."""
    server = empty_room.start(script, ORIGINS=" ")
    await empty_room.join("Ada", server, origin="http://ailleurs.example")
    await empty_room.join("Bob", server, origin="null")


@each_server
async def test_not_a_websocket_client(room: Room):
    """Un navigateur, une sonde de port, du bruit : la salle continue, et rien ne s'affiche."""
    ada, bob = await room.gather("Ada", "Bob")
    port = room.servers[0].port
    for noise in b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\n\n", b"GET / HT":
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(noise)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    await settle(ada, bob)
    assert ada.lines == bob.lines == []


@each_server
async def test_no_compression(room: Room):
    """Sur des lignes si courtes, compresser coûte plus que cela ne gagne : le chat s'en passe."""
    ada = await room.join("Ada")
    assert "Sec-WebSocket-Extensions" not in ada.websocket.response.headers


async def test_return_is_for_a_while(empty_room: Room):
    """Sur le serveur I.3 aussi, une session partie est oubliée après SESSION_TTL secondes."""
    empty_room.start(I_3, SESSION_TTL="1")
    ada, bob = await empty_room.gather("Ada", "Bob")
    await bob.leave()
    await ada.see("a quitté")
    await asyncio.sleep(1.2)  # pas au hasard : c'est la durée promise, et un peu plus
    back = await empty_room.open(f"ID|{bob.session}")
    assert await back.closed() == 4002


async def test_session_forgotten_while_still_connected(empty_room: Room):
    """Sur I.3, un client sourd dont la session, reprise puis quittée, est déjà oubliée : il s'en va
    sans trace d'erreur."""
    empty_room.start(I_3, SESSION_TTL="1")
    deaf, witness = await empty_room.gather("Sourd", "Témoin")
    deaf.websocket.transport.pause_reading()
    again = await empty_room.come_back(deaf.session)
    await again.leave()
    await witness.see("Sourd a quitté")
    await asyncio.sleep(1.2)  # pas au hasard : la durée promise, et un peu plus
    deaf.websocket.transport.resume_reading()
    assert await deaf.closed() == 4001
