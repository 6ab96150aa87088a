"""Chaque serveur naïf est pris par le scénario qui le vise : ces scénarios savent donc voir."""

import asyncio
import re
from types import SimpleNamespace

import pytest
from naive import variants
from support import scenarios

TRIES = 3  # une naïveté ne perd quelque chose que si l'accident tombe bien
SMALL_STORM = SimpleNamespace(messages=1500, newcomers=15, rate=50)
# La variante, le scénario qui la vise, ses grandeurs, et ce qu'il doit y trouver.
CAUGHT = [
    (variants.HISTORY_FIRST, "join_storm", {"n": SMALL_STORM}, r"[1-9]\d* manquants"),
    (variants.ROOM_FIRST, "join_storm", {"n": SMALL_STORM}, r"[1-9]\d* en double"),
    (
        variants.PUB_SUB,
        "redis_fault",
        {"n": SimpleNamespace(rate=20, copied=False), "fault": scenarios.redis_restarted},
        r"[1-9]\d* manquants, 0 en double",
    ),
    (
        variants.NO_DEADLINE,
        "server_killed",
        {"n": SimpleNamespace(people=2, messages=200, rate=20)},
        "le départ de chaque fantôme est annoncé : rien en",
    ),
]


@pytest.mark.parametrize("variant", [*(case[0] for case in CAUGHT), variants.ONE_BY_ONE])
def test_variants_follow_the_script(tmp_path, variant):
    """Les passages que remplace chaque variante sont encore dans le script."""
    variant.write(tmp_path)


@pytest.mark.endurance
async def test_naive_servers_are_caught(storage, tmp_path, subtests):
    """Chaque naïveté est rouge sous le scénario fait pour elle, et pour la bonne raison."""

    async def outcome(number: int, variant: variants.Variant, scenario: str, arguments, expected):
        folder = tmp_path / str(number)
        folder.mkdir()
        script = variant.write(folder)
        for _ in range(TRIES):
            try:
                await getattr(scenarios, scenario)(storage, script=script, **arguments)
                error = ""
            except AssertionError as caught:
                error = str(caught)
            if re.search(expected, error):
                break
        return error

    found = await asyncio.gather(*(outcome(k, *case) for k, case in enumerate(CAUGHT)))
    for (variant, scenario, _, expected), error in zip(CAUGHT, found, strict=True):
        print(f"{variant.mistake} | {scenario} | {error}")
        with subtests.test(variant.mistake):
            assert re.search(expected, error), error


@pytest.mark.endurance
async def test_waiting_for_each_client_is_caught(storage, tmp_path):
    """Attendre chaque client à son tour est rouge dès que l'un d'eux ne lit plus."""
    n = SimpleNamespace(padding=1900, seconds=2, limit=10, margin=0.2)
    with pytest.raises(AssertionError, match="p99 de .* à cause du sourd") as caught:
        await scenarios.deaf(storage, n, variants.ONE_BY_ONE.write(tmp_path))
    print(f"{variants.ONE_BY_ONE.mistake} | deaf | {caught.value}")


def test_a_variant_follows_its_server(tmp_path):
    """Une variante qui ne correspond plus au serveur est une erreur."""
    with pytest.raises(ValueError, match="ne contient pas une fois"):
        variants.Variant("", {"ce passage n'existe pas": ""}).write(tmp_path)
