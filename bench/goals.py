"""Ce que l'on vise : une liste de chiffres, chacun avec sa borne et le sens où il doit tomber."""

from collections.abc import Callable
from contextlib import suppress
from operator import itemgetter as key
from statistics import StatisticsError
from typing import NamedTuple

from .measures import Measures, cost
from .plan import HUNDRED, LARGE, LONE, ONE, SMALL
from .systems import LABELS

p50, p99, memory = key("p50"), key("p99"), key("memory_kib")
NAMES = {cost: "", p50: "p50 : ", p99: "p99 : "}


class Goal(NamedTuple):
    """Un objectif : `value` doit rester sous `limit`, ou au-dessus si `at_least`."""

    label: str
    value: Callable[[Measures], float]
    limit: float
    at_least: bool = False


def ratio(figure, above, below, load, clients, limit, at_least=False) -> Goal:
    """Un objectif sur un chiffre d'un système, divisé par celui d'un autre sous la même charge."""
    pair = f"{LABELS[above]} / {LABELS[below]}"
    return Goal(
        f"{NAMES[figure]}{pair} ({clients} clients, {load.name})",
        lambda m: m.median(figure, above, load, clients) / m.median(figure, below, load, clients),
        limit,
        at_least,
    )


GOALS = [
    ratio(cost, "node", "chatroom", ONE, 500, 25, at_least=True),
    ratio(cost, "node", "chatroom", HUNDRED, 500, 25, at_least=True),
    ratio(cost, "chatroom", "limit", ONE, 500, 2),
    ratio(cost, "chatroom", "limit", HUNDRED, 500, 2),
    ratio(cost, "chatroom", "uws", LARGE, 500, 0.63),
    ratio(p99, "chatroom", "node", LARGE, 500, 0.01),
    ratio(cost, "chatroom", "node", SMALL, 100, 1),
    ratio(p99, "chatroom", "node", SMALL, 100, 8),
    ratio(p50, "chatroom", "node", LONE, 100, 1.3),
    Goal("Kio par connexion inerte, chatroom (2000 clients)",
         lambda m: m.median(memory, "chatroom", HUNDRED, 2000), 18),
    Goal("chatroom à 2000 clients / à 500 (saturé, 100 auteurs)",
         lambda m: m.median(cost, "chatroom", HUNDRED, 2000) / m.median(cost, "chatroom", HUNDRED),
         1.1),
    ratio(cost, "ii2", "node", HUNDRED, 500, 0.5),
    ratio(cost, "ii3", "node", HUNDRED, 500, 0.5),
    ratio(cost, "i3", "node-alone", HUNDRED, 500, 1.3),
]  # fmt: skip
# chatroom doit valoir le serveur à côté (--beside) à un dixième près.
BESIDE = [(cost, ONE, 500), (cost, HUNDRED, 500), (cost, LARGE, 500), (cost, SMALL, 100)]
BESIDE += [(p99, LARGE, 500), (p99, SMALL, 100), (p50, LONE, 100)]
GOALS += [ratio(figure, "chatroom", "beside", *where, 1.1) for figure, *where in BESIDE]


def judge(m: Measures, goals=GOALS):
    """Rend (objectif, chiffre, tenu) pour chaque objectif que ces mesures permettent de juger."""
    for goal in goals:
        with suppress(StatisticsError, ZeroDivisionError):
            value = goal.value(m)
            yield goal, value, value >= goal.limit if goal.at_least else value <= goal.limit
