"""Un essai en deux tailles, et des essais joués en même temps."""

import asyncio
from collections.abc import Callable

import pytest


def forms(short: dict, long: dict, together: bool = False) -> Callable:
    """Donne à un test ses grandeurs : la forme courte, puis la longue (`make endurance`).

    `together` : la forme courte attend plus qu'elle ne calcule ; celles d'un même fichier se jouent
    en même temps, chacune avec ses bases et ses serveurs.
    """
    assert short.keys() == long.keys()

    def sized(test: Callable) -> Callable:
        test.short = short
        sizes = [
            pytest.param(*short.values(), id="court", marks=[pytest.mark.together] * together),
            pytest.param(*map(long.get, short), id="long", marks=pytest.mark.endurance),
        ]
        return pytest.mark.parametrize(list(short), sizes)(test)

    return sized


def report(scenario: str, **counted: object) -> None:
    """Écrit ce qu'un scénario a compté, sur une ligne (`pytest -rA` ou `-s` la montre)."""
    print(f"{scenario} : " + ", ".join(f"{name} {figure}" for name, figure in counted.items()))


class Together(pytest.Item):
    """Des tests `async` d'un même fichier, joués en même temps.

    Chacun prend les mêmes `fixtures`, et ses propres grandeurs.
    """

    @classmethod
    def gather(cls, items: list[pytest.Item], **fixtures: object) -> None:
        """Remplace dans `items` les tests marqués `together` de chaque fichier par un seul."""
        groups: dict[pytest.Module, list[pytest.Item]] = {}
        for item in items:
            if item.get_closest_marker("together"):
                groups.setdefault(item.getparent(pytest.Module), []).append(item)
        for module, tests in groups.items():
            if len(tests) > 1:
                everyone = cls.from_parent(module, name="ensemble", tests=tests, fixtures=fixtures)
                items[items.index(tests[0])] = everyone
                items[:] = [item for item in items if item not in tests]

    def __init__(self, tests: list[pytest.Function], fixtures: dict[str, object], **options):
        super().__init__(**options)
        self._tests, self._fixtures = tests, fixtures

    def runtest(self) -> None:
        asyncio.run(self._play())

    async def _play(self) -> None:
        results = await asyncio.gather(*map(self._one, self._tests), return_exceptions=True)
        failures = []
        for test, failure in zip(self._tests, results, strict=True):
            if failure:
                failure.add_note(f"dans {test.name}")
                failures.append(failure)
        if failures:
            raise ExceptionGroup(f"{len(failures)} essais sur {len(self._tests)}", failures)

    async def _one(self, test: pytest.Function) -> None:
        sizes = test.callspec.params if hasattr(test, "callspec") else {}
        await test.obj(**self._fixtures, **sizes)
