"""Une salle qui survit : pannes et abus dans de vrais processus, et le compte de ce qui se perd."""

import asyncio
from math import inf
from types import SimpleNamespace

import pytest
from support import scenarios
from support.faults import forms

# Un accident s'attend plus qu'il ne se calcule : en forme courte, ceux d'un même groupe se jouent
# en même temps, chacun avec ses bases et ses serveurs. scénario, panne : (grandeurs courtes,
# longues).
REDIS_ACCIDENTS = {
    (scenarios.redis_fault, scenarios.redis_restarted): (
        {"rate": 20, "copied": False},
        {"rate": 50, "copied": True},
    ),
    (scenarios.redis_fault, scenarios.redis_away): (
        {"rate": 10, "seconds": 17, "copied": False},  # plus que l'échéance d'une présence
        {"rate": 5, "seconds": 40, "copied": True},
    ),
    (scenarios.redis_fault, scenarios.redis_cut): (
        {"rate": 20, "cuts": 5, "copied": False},
        {"rate": 50, "cuts": 100, "copied": True},
    ),
    (scenarios.redis_fault, scenarios.redis_frozen): (
        {"rate": 20, "seconds": 10, "copied": False},
        {"rate": 5, "seconds": 40, "copied": True},
    ),
    (scenarios.redis_fault, scenarios.redis_unheard): (
        {"rate": 20, "seconds": 10, "copied": False},
        {"rate": 5, "seconds": 40, "copied": True},
    ),
    (scenarios.redis_refuses,): (
        {"messages": 20, "seconds": 17},
        {"messages": 500, "seconds": 30},
    ),
}
OTHER_ACCIDENTS = {
    (scenarios.server_killed,): (
        {"people": 2, "messages": 200, "rate": 20},
        {"people": 10, "messages": 5000, "rate": 20},
    ),
    (scenarios.server_suspended,): ({}, {}),
    (scenarios.link_swallowed,): (
        {"rate": 20, "seconds": 12, "lag": 12},
        {"rate": 100, "seconds": 17, "lag": 8},
    ),
    # plus que l'échéance d'une présence, moins que la patience d'un ping
    (scenarios.slow_return,): (
        {"messages": 2000, "seconds": 22},
        {"messages": 5000, "seconds": 30},
    ),
    (scenarios.mongo_fault, scenarios.mongo_killed): (
        {"rate": 20, "seconds": 4},
        {"rate": 50, "seconds": 20},
    ),
    (scenarios.mongo_fault, scenarios.mongo_frozen): (
        {"rate": 20, "seconds": 4},
        {"rate": 50, "seconds": 20},
    ),
    (scenarios.mongo_absent_at_start,): ({"rate": 20}, {"rate": 100}),
    (scenarios.arrivals,): (
        {"warm_up": 100, "visits": 300, "growth": 3},
        {"warm_up": 500, "visits": 10_000, "growth": 10},
    ),
}


def name_of(accident: tuple) -> str:
    return accident[-1].__name__


@pytest.mark.parametrize("accidents", [REDIS_ACCIDENTS, OTHER_ACCIDENTS], ids=["Redis", "autres"])
async def test_accidents(storage, subtests, accidents):
    """Aucun accident ne fait perdre ni doubler un message, ni ne déconnecte personne."""
    results = await asyncio.gather(
        *(
            scenario(storage, SimpleNamespace(**short), *fault)
            for (scenario, *fault), (short, _) in accidents.items()
        ),
        return_exceptions=True,
    )
    for accident, result in zip(accidents, results, strict=True):
        with subtests.test(name_of(accident)):
            if result:
                raise result


ALL_ACCIDENTS = REDIS_ACCIDENTS | OTHER_ACCIDENTS


@pytest.mark.endurance
@pytest.mark.parametrize("accident", ALL_ACCIDENTS, ids=name_of)
async def test_long_accident(storage, accident):
    """Les mêmes accidents, plus longs, un par un."""
    scenario, *fault = accident
    _, long = ALL_ACCIDENTS[accident]
    await scenario(storage, SimpleNamespace(**long), *fault)


@forms(messages=(1500, 10_000), newcomers=(15, 50), rate=(50, 50))
async def test_join_storm(storage, n):
    """Qui entre en plein trafic reçoit les 20 derniers messages, puis tous les suivants."""
    await scenarios.join_storm(storage, n)


@forms(rate=(20, 100), missed=(60, 5000))
async def test_cut_and_back(storage, n):
    """Un client coupé reçoit à son retour tout ce qu'il a manqué."""
    await scenarios.cut_and_back(storage, n)


@forms(turns=(5, 50), tabs=(4, 10))
async def test_taken_over(storage, n):
    """Une session que plusieurs reprennent au même instant n'a plus qu'une connexion."""
    await scenarios.taken_over(storage, n)


# Ici et plus bas, la forme courte tourne au milieu d'autres tests, qui prennent le processeur quand
# ils veulent : elle compte, et ne juge aucune latence. La longue, seule sur la machine, les juge.
@forms(padding=(1900, 1900), seconds=(5, 10), limit=(20, 30), margin=(inf, 0))
async def test_deaf(storage, n):
    """Qui ne lit jamais est écarté, sans gêner les autres ni remplir la mémoire."""
    await scenarios.deaf(storage, n)


@pytest.mark.endurance
async def test_deaf_to_short_messages(storage):
    """Des messages courts n'emplissent que le noyau : c'est alors le ping qui écarte le sourd."""
    n = SimpleNamespace(padding=0, seconds=10, limit=60, margin=0)
    await scenarios.deaf(storage, n)


@forms(seconds=(3, 30), bound=(inf, 0.25))
async def test_flooder(storage, n):
    """Qui parle aussi vite qu'il peut ne ralentit pas les autres."""
    await scenarios.flooder(storage, n)


@forms(turns=(3, 20), claims=(60, 500))
async def test_claims(storage, n):
    """Un pseudo demandé par une foule n'a qu'un gagnant."""
    await scenarios.claims(storage, n)


@forms(connections=(200, 2000))
async def test_idle(storage, n):
    """Une connexion qui ne dit rien coûte peu."""
    await scenarios.idle(storage, n)
