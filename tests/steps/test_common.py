"""Ce que les trois serveurs du chat promettent tous : la même conversation, la même solidité."""

import asyncio
import re
import shutil
import signal
import socket
import sys
from pathlib import Path

import pytest
from redis import Redis
from support.chat import Chatter, settle
from support.processes import ROOT, Process, changed, refusal
from support.room import CHAT_SERVERS, I_3, Room, forget, welcomed
from support.steps import retry
from support.storage import free_port

pytestmark = pytest.mark.parametrize("script", CHAT_SERVERS)

STAMPED = re.compile(r"\[\d\d:\d\d\] \S")
NOISE = (
    b"",
    b"\xff\xfe\x80" * 20_000,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # le début d'un TLS
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000,
    b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    b"GET / HT",
)


async def code_of(stranger: Chatter) -> int:
    """Rend le code qui ferme une connexion refusée, ou 0 si elle est acceptée."""
    await stranger.until(lambda: stranger.frames, "attend une réponse")
    return 0 if stranger.session else await stranger.closed()


def seen(chatter: Chatter) -> list[str]:
    """Ce que quelqu'un a lu, sans les marques de `settle`."""
    return [line for line in chatter.lines if " a dit : marque " not in line]


# --- La conversation -----------------------------------------------------------------------------


async def test_everyone_hears_the_others(room: Room):
    """Arrivée, parole, départ : les autres les voient, dans l'ordre, et leur auteur jamais."""
    ada = await room.join("Ada")
    bob = await room.join("Bob")
    await ada.see("Bob a rejoint")
    await welcomed(bob)
    forget(bob)
    await ada.say("bonjour Bob")
    await bob.hear("bonjour Bob")
    await bob.say("bonjour Ada")
    await ada.hear("bonjour Ada")
    for number in range(20):
        await bob.say(f"adieu {number}")
    await bob.leave()
    await ada.see("a quitté")
    assert ada.lines == [
        f"ID|{ada.session}",
        "Annonce : Bob a rejoint la chatroom",
        "Bob a dit : bonjour Ada",
        *(f"Bob a dit : adieu {number}" for number in range(20)),
        "Annonce : Bob a quitté la chatroom",
    ]
    assert bob.lines == ["Ada a dit : bonjour Bob"]
    for frame in ada.frames[1:]:
        assert all(map(STAMPED.match, frame.split("\n"))), frame


async def test_session_is_a_secret(room: Room):
    """Une session ne se devine pas, et n'est montrée qu'à son client, dans une trame à elle."""
    people = await asyncio.gather(*(room.join(pseudo) for pseudo in ("Ada", "Bob", "Chloé")))
    sessions = {chatter.session for chatter in people}
    assert len(sessions) == 3 and min(map(len, sessions)) >= 20
    await settle(people[0], *people[1:])
    for chatter in people:
        assert not any(other in frame for other in sessions for frame in chatter.frames[1:])


async def test_refused_hello(room: Room):
    """Une première trame qui ne convient pas : une raison, le code qui va avec, et la salle n'en
    sait rien."""
    ada, bob = await room.gather("Ada", "Bob")
    wrong = {
        "bonjour": 1008,
        "": 1008,
        "hello|Zoé": 1008,
        "Hello|": 1008,
        "Hello| \t\0": 1008,
        f"Hello|{'x' * 33}": 1008,
        f"Hello|{'x' * 900_000}": 1008,
        b"Hello|Zo\xc3\xa9": 1003,
        b"\xff\x00": 1003,
        "ID|": 4002,
        "ID|inconnue": 4002,
        "ID|*": 4002,
        f"ID|{ada.session}x": 4002,
        f"ID|{'x' * 900_000}": 4002,
        "Hello|Ada": 4003,
        "Hello| aDA\n": 4003,
    }
    strangers = [await room.open(first) for first in wrong]
    codes = [await code_of(stranger) for stranger in strangers]
    assert dict(zip(wrong, codes, strict=True)) == wrong
    for stranger in strangers:
        assert len(stranger.frames) == 1 and stranger.frames[0].startswith("Erreur : ")
        assert stranger.websocket.close_reason in stranger.frames[0]
    await settle(ada, bob)
    assert seen(ada) == seen(bob) == []


async def test_silent_strangers_are_sent_away(empty_room: Room, script: str, tmp_path: Path):
    """Qui ne se présente pas n'entend rien de la salle, puis est écarté : une raison, 1008."""
    script = changed(tmp_path, script, ("asyncio.timeout(10)", "asyncio.timeout(1)"))
    empty_room.start(script)
    stranger = await empty_room.open()
    ada, bob = await empty_room.gather("Ada", "Bob")
    await settle(ada, bob)
    assert await stranger.closed() == 1008
    assert len(stranger.lines) == 1 and stranger.lines[0].startswith("Erreur : rien reçu")
    await settle(ada, bob)
    assert seen(ada) == seen(bob) == []


async def test_messages_are_cleaned(room: Room):
    """Un message tient sur une ligne, sans rien qui puisse déranger un écran."""
    ada, bob = await room.gather("Ada", "Bob")
    cleaned = {
        "un\ndeux": "un deux",
        "un\u2028deux\x85trois": "un deux trois",
        "  autour\t": "autour",
        "\x1b[31mrouge\x1b[0m": "[31mrouge [0m",
        "sens \u202eresrevni": "sens  resrevni",
        "é" * 2000: "é" * 2000,
        "l'été, 👍🏽 et {text} %s <b>": "l'été, 👍🏽 et {text} %s <b>",
        "ID|123": "ID|123",
    }
    for text in ("", " ", "\n\n", "\0", "\x1b\x07", *cleaned, "é" * 2001, "x" * 900_000):
        await ada.say(text)
    await settle(bob, ada)
    assert bob.messages[:-1] == list(cleaned.values())
    await ada.until(lambda: len(ada.lines) == 2, "attend deux réponses")
    assert ada.lines == ["Erreur : message trop long, 2000 caractères au plus"] * 2


async def test_pseudo_is_unique(room: Room):
    """Un pseudo pris l'est sous toutes ses casses, et se libère quand son départ est dit."""
    lea, witness = await room.gather("Straße 🦊", "Témoin")
    assert await code_of(await room.open("Hello|STRASSE 🦊")) == 4003
    await lea.leave()
    await witness.see("Straße 🦊 a quitté")
    await retry(room, "Hello|STRASSE 🦊")
    await witness.see("STRASSE 🦊 a rejoint")


async def test_same_order_for_everybody(room: Room):
    """50 personnes parlent à la fois : chacun reçoit tout, une fois, dans le même ordre."""
    witness = await room.join("Témoin")
    crowd = await asyncio.gather(*(room.join(f"P{number}") for number in range(50)))
    await witness.until(lambda: len(witness.lines) == 51, "attend toutes les arrivées")
    await asyncio.gather(*(welcomed(chatter) for chatter in crowd))

    async def talk(chatter: Chatter, number: int) -> None:
        for turn in range(4):
            await chatter.say(f"{number}-{turn}")

    await asyncio.gather(*(talk(chatter, number) for number, chatter in enumerate(crowd)))
    await witness.until(lambda: len(witness.messages) == 200, "attend tous les messages", 20)
    for number, chatter in enumerate(crowd):
        await chatter.until(lambda c=chatter: len(c.messages) >= 196, "attend les autres messages")
        own = [f"{number}-{turn}" for turn in range(4)]
        assert chatter.messages == [text for text in witness.messages if text not in own]
        assert [text for text in witness.messages if text in own] == own


# --- Ceux qui abusent ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "as_text", "code"),
    [(b"bonjour", False, 1003), (b"\xff\xfe", True, 1007), (b"x" * 2_000_000, True, 1009)],
    ids=["binaire", "UTF-8 faux", "trop long"],
)
async def test_frames_that_close(room: Room, frame: bytes, as_text: bool, code: int):
    """Une trame qui ne convient pas ferme sa connexion : un départ comme un autre."""
    ada, bob = await room.gather("Ada", "Bob")
    await bob.websocket.send(frame, text=as_text)
    assert await bob.closed() == code
    await ada.see("Bob a quitté la chatroom")
    assert len(ada.lines) == 1


async def test_not_a_websocket_client(room: Room):
    """Un navigateur, une sonde de port, du bruit : la salle continue, et rien ne s'affiche."""
    ada, bob = await room.gather("Ada", "Bob")
    for noise in NOISE:
        with socket.create_connection(("127.0.0.1", room.servers[0].port)) as probe:
            probe.sendall(noise)
    await settle(ada, bob)
    assert seen(ada) == seen(bob) == []


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
    assert set(witness.lines) == {f"Annonce : P{one} a quitté la chatroom" for one in range(50)}


async def test_no_compression(room: Room):
    """Sur des lignes si courtes, compresser coûte plus que cela ne gagne : le chat s'en passe."""
    ada = await room.join("Ada")
    assert "Sec-WebSocket-Extensions" not in ada.websocket.response.headers


# --- Démarrer et s'arrêter -----------------------------------------------------------------------


async def test_stops(room: Room, script: str, redis: Redis):
    """Ctrl+C, même insistant : chacun lit 1001, les départs sont notés, code 0.

    SIGTERM arrête les serveurs de tous les autres tests, avec les mêmes exigences.
    """
    [server] = room.servers
    crowd = await asyncio.gather(*(room.join(f"P{one}") for one in range(100)))
    stranger = await room.open()
    while stranger.websocket.close_code is None:
        server.send_signal(signal.SIGINT)
        await asyncio.sleep(0.01)
    assert {await one.closed(20) for one in (*crowd, stranger)} == {1001}
    assert await asyncio.to_thread(server.wait, 20) == 0
    if script != I_3:
        states = [redis.hget(f"session:{one.session}", "connected") for one in crowd]
        assert states == ["0"] * 100
        assert redis.hlen("pseudos") == 0


def test_cannot_listen(script: str, redis_url: str):
    """Un port pris, une adresse qui n'est pas d'ici : une phrase et le remède, code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for options in ("-p", port), ("-a", "a..b"), ("-a", "203.0.113.1"):
            sentence = refusal(script, *options, REDIS_URL=redis_url)
            assert "choisis une autre adresse ou un autre port" in sentence
    assert "--port" in refusal(script, "-p", "abc", code=2, REDIS_URL=redis_url)


def test_settings(script: str, redis_url: str, tmp_path: Path):
    """L'option, sinon l'environnement, sinon le .env voisin, sinon 127.0.0.1 ; vide, c'est absent.

    Le .env d'un dossier parent ne compte pas.
    """
    folder = tmp_path / "tp"
    folder.mkdir()
    copy = shutil.copy(ROOT / script, folder)
    in_file, in_environment, in_option = (str(free_port()) for _ in range(3))
    (tmp_path / ".env").write_text("WS_HOST=203.0.113.1\n")
    (folder / ".env").write_text(f"WS_PORT={in_file}\n")

    def listens(*options: str, **env: str) -> str:
        server = Process(sys.executable, copy, *options, cwd=folder, REDIS_URL=redis_url, **env)
        try:
            return server.wait_line(r"ws://(\S+) ", timeout=20)[1]
        finally:
            server.kill()

    assert listens(WS_HOST="") == f"127.0.0.1:{in_file}"
    env = {"WS_HOST": "127.0.0.2", "WS_PORT": in_environment}
    assert listens(**env) == f"127.0.0.2:{in_environment}"
    assert listens("-a", "127.0.0.3", "-p", in_option, **env) == f"127.0.0.3:{in_option}"
