"""Ces scénarios savent voir : chacun échoue, et pour la bonne raison, là où il doit échouer.

Sur les scripts de la leçon, il compte ce que leur docstring annonce ; sur `chatroom`, ce que perd
une seule ligne changée.
"""

import inspect
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from subprocess import TimeoutExpired

import pytest
from support.processes import ROOT, changed
from support.stage import stage
from websockets.exceptions import ConnectionClosed

from . import test_abuse, test_mongo, test_redis, test_running, test_servers

TRIES = 3  # une faute ne perd quelque chose que si l'accident tombe bien
I_3, II_2, II_3 = "ws_i_3_server.py", "ws_ii_2_server.py", "ws_ii_3_server.py"

# Le scénario, le script, et ce qu'il doit y trouver.
LESSONS = [
    (test_servers.test_killed_alone, I_3, "Welcome back.* code 4002"),
    (test_abuse.test_deaf, I_3, "le sourd est encore là, et coûte"),
    (test_servers.test_killed_alone, II_2, "Welcome back.* code 1013"),
    (test_servers.test_cut_and_back, II_2, r"[1-9]\d* messages manquent à son retour"),
    (test_servers.test_suspended, II_2, "Welcome back.* code 1013"),
    (test_servers.test_join_storm, II_3, r"[1-9]\d* (manquants|en double)"),
    (test_mongo.test_away, II_3, r"[1-9]\d* perdus pour MongoDB"),
]

# Le scénario, ce qu'on change dans chatroom, et ce qu'il doit y trouver.
CHANGES = [
    (
        test_servers.test_mine_are_told_apart,
        ('entry.kind == "say" and order(entry.id)', "order(entry.id)"),
        "Annonce : Ada a quitté",
    ),
    (
        test_servers.test_join_storm,
        ("found += await self._last_said(position, limit)", "pass"),
        "manquants|première trame",
    ),
    (
        test_servers.test_killed,
        ("if now >= grace:", "if False:"),
        "le départ de chaque fantôme est annoncé",
    ),
    (
        test_servers.test_suspended,
        ('if not owner or not redis.call("ZSCORE", online, id) then', "if not owner then"),
        "pas fermée|codes de fermeture",
    ),
    (
        test_servers.test_link_swallowed,
        ('room.position if one.websocket in members.live else ""', '""'),
        "la dernière position notée date de",
    ),
    (
        test_servers.test_slow_redis,
        ("if recent := dict(self._recent).get(position):", "if recent := None:"),
        "attendait « enfin »",
    ),
    (
        test_servers.test_slow_return,
        ("present = list(members.present.values())", "present = list(members.live.values())"),
        "déclarée partie|connexion fermée, code 1012",
    ),
    (
        test_servers.test_taken_over,
        ("if current ~= owner then return 4001 end", ""),
        "onglets remplacés parlent encore",
    ),
    (
        test_servers.test_claims,
        ("if holder and holder ~= id and", "if false and"),
        r"\d+ gagnants",
    ),
    (
        test_servers.test_arrivals,
        ('redis.call("EXPIRE", session, ttl)\n  redis.call("ZADD"', 'redis.call("ZADD"'),
        "plus aucune session",
    ),
    (
        test_redis.test_restarted,
        ("xread({ROOM: self.position}", 'xread({ROOM: "$"}'),
        "attendait|témoin",
    ),
    (
        test_redis.test_unheard,
        ("if tonumber(number) > tonumber(said) then", "if true then"),
        r"[1-9]\d* dits deux fois",
    ),
    (test_redis.test_away, ("if now >= grace:", "if True:"), r"[1-9]\d* faux départs|1012"),
    (
        test_redis.test_frozen,
        ("if tonumber(number) > tonumber(said) then", "if true then"),
        r"[1-9]\d* dits deux fois",
    ),
    (
        test_redis.test_refuses,
        ("refusal = Refused(Code.LATER,", "refusal = Refused(Code.REFUSED,"),
        "code 1008",
    ),
    (
        test_redis.test_return_heard_twice,
        ("if current ~= seen then", "if false then"),
        "owner|4001|toujours là",
    ),
    (
        test_redis.test_return_cut_during_an_outage,
        ("if websocket.state is not State.OPEN:", "if False:"),
        "4001",
    ),
    (
        test_redis.test_session_lost,
        ('or not redis.call("ZSCORE", online, id) then return 1012', "then return 4001"),
        "4001 == 1012",
    ),
    (
        test_redis.test_ghost_older_than_its_session,
        ('if redis.call("HGET", pseudos, taken) == id then', "if false then"),
        "elle reste",
    ),
    (
        test_redis.test_sessions,
        ('redis.call("EXPIRE", session, ttl)\n    if position', "if position"),
        "la présence est renouvelée",
    ),
    (
        test_redis.test_stream_is_bounded,
        ('"MAXLEN", "~", 50000, "*",\n      "kind", "say"', '"*",\n      "kind", "say"'),
        "50200|50_200",
    ),
    (
        test_redis.test_foreign_entries,
        ("clean_message(pseudo), clean_message(text)", "pseudo, text"),
        "Annonce : faux",
    ),
    (
        test_redis.test_held_by_the_dead,
        ("if self._clock() - self._looked <= TAKEOVER:", "if True:"),
        "la copie reprend",
    ),
    (
        test_redis.test_oldest,
        ('redis.call("XACK", room, group, id)', ""),
        "l'entrée disparue reste",
    ),
    (
        test_mongo.test_away,
        ("DELAY = 1  # seconde laissée à MongoDB", "DELAY = 20  # secondes laissées à MongoDB"),
        "les derniers messages, sans MongoDB",
    ),
    (
        test_mongo.test_absent_at_start,
        ("                complained = True", "                complained = False"),
        "MongoDB ne répond pas|retour",
    ),
    (test_mongo.test_refused_document, ("if passing := passing", "if passing := refused"), "pas 5"),
    (test_mongo.test_last_twenty, ("HISTORY = 20", "HISTORY = 19"), "assert"),
    (test_mongo.test_order_is_the_stream_s, ("-{number:0>20}", "-{number}"), "assert"),
    (
        test_mongo.test_documents,
        ('in entries if entry.kind == "say"]:', "in entries]:"),
        "assert",
    ),
    (
        test_mongo.test_restart_of_everything,
        ('if "NOGROUP" in str(error)', "if False"),
        "copie|messages dans MongoDB",
    ),
    (test_abuse.test_deaf, ("MAX_UNREAD = 2**20", "MAX_UNREAD = 2**30"), "le sourd est encore là"),
    (
        test_running.test_stopped_without_redis,
        ("LEAVE_DELAY = 5", "LEAVE_DELAY = 60"),
        "arrête|timed out",
    ),
]


# Ce que prend un scénario, quand ce n'est pas une grandeur de sa forme courte.
GIVEN = {"strike": "freeze", "mend": "thaw", "copy_first": False, "messages": 40}
# La forme courte de ce module : les pertes les plus vite vues.
QUICK = test_servers.test_cut_and_back, test_servers.test_claims, test_redis.test_session_lost


async def must_fail(scenario: Callable, storage, program, found: str) -> None:
    """Joue un scénario avec ce serveur, dans des bases à lui : il doit y trouver `found`."""
    failure = ""
    for _ in range(TRIES):
        try:
            await play(scenario, storage, program)
        except (AssertionError, ConnectionClosed, TimeoutExpired) as error:
            failure = str(error)
        if re.search(found, failure):
            break
    print(f"{scenario.__name__} | {failure}")
    assert failure and re.search(found, failure), f"trouvé : {failure or 'rien'}"


async def play(scenario: Callable, storage, program) -> None:
    """Joue un scénario dans sa forme courte, quelles que soient les fixtures qu'il demande."""
    given = GIVEN | {"storage": storage, "program": program} | getattr(scenario, "short", {})
    async with AsyncExitStack() as exits:
        wanted = inspect.signature(scenario).parameters
        if not wanted.keys() <= given.keys():
            room = await exits.enter_async_context(stage(storage, program, servers=0))
            given |= {"room": room, "redis": room.keys, "collection": room.documents}
            given |= {"redis_url": room.redis.url, "mongo_url": room.mongo.url}
        await scenario(**{name: given[name] for name in wanted})


def cases(table: list[tuple]) -> list:
    """Met presque tous ces cas dans la forme longue."""
    return [
        pytest.param(*case, marks=[] if case[0] in QUICK else pytest.mark.endurance, id=name(case))
        for case in table
    ]


def name(case: tuple) -> str:
    script = case[1] if isinstance(case[1], str) else "chatroom"
    return f"{case[0].__name__} {script}"


@pytest.mark.parametrize(("scenario", "script", "found"), cases(LESSONS))
async def test_lessons(storage, scenario, script, found):
    """Ce que perdent les scripts de la leçon, et qu'ils annoncent."""
    await must_fail(scenario, storage, script, found)


@pytest.mark.parametrize(("scenario", "change", "found"), cases(CHANGES))
async def test_changes(storage, tmp_path, scenario, change, found):
    """Ce que perdrait `chatroom` sans une de ses précautions."""
    await must_fail(scenario, storage, changed(tmp_path, "chatroom", change), found)


def test_every_change_follows_chatroom(tmp_path):
    """Chaque passage que remplace un de ces cas est dans le paquet, une fois ; sinon c'est dit."""
    files = [file for kind in ("*.py", "*.lua") for file in (ROOT / "chatroom").rglob(kind)]
    everything = "".join(file.read_text(encoding="utf-8") for file in files)
    for _, (before, _), _ in CHANGES:
        assert everything.count(before) == 1, before
    with pytest.raises(ValueError, match="contient 0 fois"):
        changed(tmp_path, "ws_i_3_server.py", ("ce passage n'y est pas", ""))
