"""La note : un intervalle tant qu'il reste à essayer, jamais un nombre faussement sûr.

Ce qui n'a pas été essayé ne donne aucun point et n'en coûte aucun : au moins ce qui est acquis, au
plus ce que vaudrait le reste s'il était réussi.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from grader.table import BONUS, OUT_OF, Check, Table
from grader.verdict import State

MOST_BONUS = 2.0


@dataclass(frozen=True)
class Range:
    """Ce que l'on a au moins, et ce que l'on peut avoir au plus."""

    minimum: float
    maximum: float

    @property
    def final(self) -> bool:
        return self.minimum == self.maximum


@dataclass(frozen=True)
class Mark(Range):
    """La note sur 20 ; `untried` : ce qui n'a pas été essayé, bonus compris ; le bonus à côté."""

    untried: tuple[str, ...]
    bonus: Range

    def fields(self) -> dict[str, Any]:
        """Comme dans resultats.json ; `score` n'est rempli que si la note est définitive."""
        return {
            "score": self.minimum if self.final else None,
            "score_min": self.minimum,
            "score_max": self.maximum,
            "final": self.final,
            "untried": list(self.untried),
            "max": OUT_OF,
            "bonus_min": self.bonus.minimum,
            "bonus_max": self.bonus.maximum,
        }


def mark_of(states: Mapping[str, str], table: Table) -> Mark:
    """La note que font ces issues ; une vérification qui n'en a pas n'a pas été essayée."""
    untried = [
        check
        for check in table.checks.values()
        if states.get(check.id, State.COULD_NOT_RUN) == State.COULD_NOT_RUN
    ]
    earned = [c for c in table.checks.values() if states.get(c.id) == State.PASSED]
    total = _worth(table.checks.values(), bonus=False)

    def between(scale: float, most: float, *, bonus: bool) -> Range:
        low = _worth(earned, bonus=bonus)
        high = low + _worth(untried, bonus=bonus)
        return Range(*(min(round(points * scale, 2), most) for points in (low, high)))

    main = between(OUT_OF / total, OUT_OF, bonus=False)
    return Mark(
        main.minimum,
        main.maximum,
        tuple(check.id for check in untried),
        between(1, MOST_BONUS, bonus=True),
    )


def _worth(checks: Iterable[Check], *, bonus: bool) -> float:
    return sum(check.points for check in checks if (check.step == BONUS) == bonus)
