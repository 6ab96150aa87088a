"""La main d'une personne dans une page : elle remplit, choisit, presse, et regarde après coup.

Une page peut se redessiner à chaque lettre, allumer un bouton, mener à une autre : ce qui a été
repéré ne vaut que jusqu'au geste suivant.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from grader.running.form import (
    addresses,
    beside,
    buttons_to_press,
    choices_to_make,
    field_to_fill,
    identity,
)

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

FIELDS = (Path(__file__).parent / "guest" / "fields.js").read_text("utf-8")
HELD = "(field) => field.value ?? field.innerText"
SOON = 1000  # millisecondes


class Hand:
    """`done(texte)` dit, en lui laissant le temps, si ce texte est arrivé au bout.

    `inner` : le nom de la page où mène la première, ou "".
    """

    def __init__(self, done: Callable[[str], Awaitable[bool]], inner: str) -> None:
        self._done, self._inner = done, inner
        self._filled: list[str] = []

    async def answer(self, page: "Page", text: str, connected: Callable[[], bool]) -> None:
        """Remplit le champ qui l'attend et valide, d'une touche puis de chaque bouton."""
        view = await page.evaluate(FIELDS, self._inner)
        if not connected():
            await _fill_in(page, addresses(view["fields"]))
        number = field_to_fill(view["fields"], self._filled)
        if number is None:
            await self._choose(page, view, -1)
            await self._press(page, None, text, connected)
            return
        self._filled.append(identity(view["fields"], number))
        mark = str(len(self._filled))
        field = await Field(page, view["fields"][number], mark).take(number)
        await _fill_in(page, beside(view["fields"], number, text))
        await self._choose(page, view, view["fields"][number]["form"])
        await field.write(text)
        for gesture in ("Enter", "", "Control+Enter"):
            if not gesture:
                sent = await self._press(page, field, text, connected)
            elif place := await field.find():
                await place.press(gesture, timeout=2 * SOON)
                sent = await self._done(text)
            if sent or page.is_closed():
                return

    async def _choose(self, page: "Page", view: dict[str, Any], form: int) -> None:
        for number in choices_to_make(view["choices"], form):
            choice = page.locator(f'[data-tp7-choice="{number}"]')
            if view["choices"][number]["kind"].startswith("select"):
                await choice.select_option(index=view["choices"][number]["first"], timeout=SOON)
            else:
                await choice.check(timeout=SOON, force=True)

    async def _press(
        self, page: "Page", field: "Field | None", text: str, connected: Callable[[], bool]
    ) -> bool:
        """Presse un bouton après l'autre ; vrai dès que le texte est parti."""
        view = await page.evaluate(FIELDS, self._inner)
        mine = next((one for one in view["fields"] if field and one["mine"] == field.mark), None)
        after = mine["next"] if mine else -1
        names = _named(view["buttons"])
        for rank in buttons_to_press(view["buttons"], after, connected()):
            if field and not (await field.still_full() or not connected()):
                return False  # il n'est plus là, et l'on est entré
            now = _named((await page.evaluate(FIELDS, self._inner))["buttons"])
            if names[rank] in now:
                button = page.locator(f'[data-tp7-button="{now.index(names[rank])}"]')
                try:
                    await button.click(timeout=SOON, no_wait_after=True)
                except Exception:  # disparu, ou recouvert : au suivant
                    continue
                if await self._done(text):
                    return True
        return False


async def _fill_in(page: "Page", answers: dict[int, str]) -> None:
    for number, answer in answers.items():
        await page.locator(f'[data-tp7="{number}"]').fill(answer, timeout=SOON)


class Field:
    """Un champ, que l'on retrouve quand la page s'est redessinée."""

    def __init__(self, page: "Page", seen: dict[str, Any], mark: str) -> None:
        self.page, self.text = page, ""
        self._own, self._url, self.mark = seen["own"], _address(page), mark

    @property
    def place(self) -> "Locator":
        return self.page.locator(f'[data-tp7-mine="{self.mark}"]')

    async def take(self, number: int) -> Self:
        """Le marque : c'est lui, quoi que devienne son rang."""
        put = f"(e) => e.setAttribute('data-tp7-mine', '{self.mark}')"
        await self.page.locator(f'[data-tp7="{number}"]').evaluate(put, timeout=SOON)
        return self

    async def find(self) -> "Locator | None":
        """Lui, ou celui qui a pris sa place ; None s'il n'y en a plus."""
        if await self.place.count():
            here = await self.place.is_visible() and await self.place.is_editable()
            return self.place if here else None
        if _address(self.page) != self._url:
            return None
        fields = (await self.page.evaluate(FIELDS, ""))["fields"]
        same = [n for n, one in enumerate(fields) if one["own"] == self._own]
        full = [n for n in same if self.text in _one_line(fields[n]["value"])]
        ranks = full or (same if self._own else [])
        return (await self.take(ranks[0])).place if ranks else None

    async def write(self, text: str) -> None:
        """Écrit, la dernière lettre au clavier : une page peut ne suivre que les touches."""
        self.text = text
        await self.place.fill(text[:-1], timeout=2 * SOON)
        await self.page.keyboard.type(text[-1])
        place = await self.find()
        if place and _one_line(await place.evaluate(HELD)).strip() != text:
            await place.fill(text, timeout=SOON)

    async def still_full(self) -> bool:
        """Vrai s'il est encore là ; vidé par un bouton qui n'était pas le bon, il est rempli."""
        place = await self.find()
        if place and not (await place.evaluate(HELD)).strip():
            await self.write(self.text)
        return place is not None


def _address(page: "Page") -> str:
    return page.url.partition("#")[0]


def _one_line(value: str) -> str:
    return value.replace("\n", "")


def _named(labels: list[str]) -> list[tuple[str, int]]:
    """Chaque bouton par ce qui s'y lit, et son rang parmi ceux où se lit la même chose."""
    return [(label, labels[:rank].count(label)) for rank, label in enumerate(labels)]
