"""Un dialecte appris d'un client se rejoue avec d'autres mots, et rend ce que le serveur donne."""

import base64

import pytest

from grader.learning.dialect import Dialect, own_name, returned


def test_a_value_is_given_back() -> None:
    """La valeur tirée par le serveur repart telle que le vrai l'a donnée, dans chaque message."""
    given, hello, message = ["ID|7f3aB"], ["Hello|ana", "OK|7f3aB"], "7f3aB bonjour"
    dialect = Dialect(hello, message, "ana", "bonjour", returned=returned(given, [*hello, message]))
    assert dialect.arrival("léo", {}, ["ID|Xy_9"]) == ["Hello|léo", "OK|Xy_9"]
    assert dialect.saying("léo", "salut", {}, ["ID|Xy_9"]) == "Xy_9 salut"
    assert dialect.arrival("léo", {}) == ["Hello|léo", "OK|7f3aB"]


def test_a_word_of_both_sides_is_not_a_value() -> None:
    """Une clé que les deux emploient n'a pas été tirée au sort."""
    assert returned(['{"type": "bienvenue"}'], ['{"type": "bonjour"}']) == ()


def test_headers_carry_each_name() -> None:
    """Le pseudo d'un en-tête est celui de chacun, même emballé."""

    def basic(name: str) -> str:
        return "Basic " + base64.b64encode(f"{name}:x".encode()).decode()

    headers = {"X-Pseudo": "ana", "Authorization": basic("ana")}
    dialect = Dialect([], "bonjour", "ana", "bonjour", headers=headers)
    assert dialect.labels("leo", {}) == {"X-Pseudo": "leo", "Authorization": basic("leo")}


@pytest.mark.parametrize(
    ("frames", "name"),
    [
        (["Hello|Camille", "bonjour"], "Camille"),
        (['{"auteur": "Sacha", "texte": "bonjour"}'], "Sacha"),
        (["[Sacha] bonjour"], ""),
        (["Sacha: bonjour"], "Sacha"),
        (["MSG|bonjour"], ""),
        (["Hello", "bonjour"], ""),
        (["bonjour"], ""),
    ],
)
def test_own_name(frames: list[str], name: str) -> None:
    """Un client qui ne demande rien peut porter un nom écrit d'avance."""
    assert own_name(frames, "bonjour") == name
