"""Une salle qui survit : pannes, abus, et un historique sans trou, dans de vrais processus."""

import pytest
from support import scenarios
from support.faults import forms


@forms(messages=(1500, 10_000), newcomers=(15, 50), rate=(50, 50))
async def test_join_storm(storage, n):
    """Qui entre en plein trafic reçoit les 20 derniers messages, puis tous les suivants."""
    await scenarios.join_storm(storage, n)


@forms(people=(2, 10), messages=(200, 5000), rate=(20, 40))
async def test_server_killed(storage, n):
    """Un serveur tué net ne perd ni ne double rien de ce qu'on a vu, et ses fantômes partent."""
    await scenarios.server_killed(storage, n)


@forms(rate=(20, 100), missed=(60, 5000))
async def test_cut_and_back(storage, n):
    """Un client coupé reçoit à son retour tout ce qu'il a manqué."""
    await scenarios.cut_and_back(storage, n)


@forms(rate=(20, 100), seconds=(8, 17))
async def test_link_swallowed(storage, n):
    """Un client dont le fil avale tout retrouve ce qui suit sa dernière position notée."""
    await scenarios.link_swallowed(storage, n)


@forms(turns=(5, 50), tabs=(4, 10))
async def test_taken_over(storage, n):
    """Une session que plusieurs reprennent au même instant n'a plus qu'une connexion."""
    await scenarios.taken_over(storage, n)


@pytest.mark.parametrize("fault", ["restarted", "frozen", "cut", "swallowed"])
@forms(rate=(20, 50), seconds=(10, 40), cuts=(5, 100))
async def test_redis_fault(storage, n, fault):
    """Redis s'en va et revient : personne n'est déconnecté, rien ne se perd ni ne double."""
    await scenarios.redis_fault(storage, n, getattr(scenarios, f"redis_{fault}"))


@forms(messages=(20, 500), seconds=(6, 30))
async def test_redis_refuses(storage, n):
    """Un message que Redis refuse reçoit une erreur, et la connexion reste."""
    await scenarios.redis_refuses(storage, n)


@pytest.mark.parametrize("fault", ["killed", "frozen"])
@forms(rate=(20, 50), seconds=(4, 20))
async def test_mongo_fault(storage, n, fault):
    """MongoDB s'en va et revient : la salle continue, l'historique est complet."""
    await scenarios.mongo_fault(storage, n, getattr(scenarios, f"mongo_{fault}"))


@forms(rate=(20, 100))
async def test_mongo_absent_at_start(storage, n):
    """Sans MongoDB au départ, la salle vit, et l'historique se complète quand il vient."""
    await scenarios.mongo_absent_at_start(storage, n)


@forms(padding=(1900, 0), seconds=(2, 10), limit=(20, 60), margin=(0.1, 0))
async def test_deaf(storage, n):
    """Qui ne lit jamais est écarté, sans gêner les autres ni remplir la mémoire."""
    await scenarios.deaf(storage, n)


@forms(seconds=(3, 30), bound=(1, 0.25))
async def test_flooder(storage, n):
    """Qui parle aussi vite qu'il peut ne ralentit pas les autres."""
    await scenarios.flooder(storage, n)


@forms(turns=(3, 20), claims=(60, 500))
async def test_claims(storage, n):
    """Un pseudo demandé par une foule n'a qu'un gagnant."""
    await scenarios.claims(storage, n)


@forms(warm_up=(100, 500), visits=(300, 10_000), growth=(5, 10))
async def test_arrivals(storage, n):
    """Des milliers de passages ne laissent rien derrière eux."""
    await scenarios.arrivals(storage, n)


@forms(connections=(200, 2000))
async def test_idle(storage, n):
    """Une connexion qui ne dit rien coûte peu."""
    await scenarios.idle(storage, n)
