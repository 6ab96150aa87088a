"""Un dialecte appris d'un client se rejoue avec d'autres mots, et rend ce que le serveur donne."""

import base64

import pytest

from grader.learning.dialect import Dialect, numbering, own_name, returned
from grader.learning.wire import Frame


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


@pytest.mark.parametrize(
    ("one", "two", "tenth"),
    [
        ("MSG|1|bonjour", "MSG|2|salut", "MSG|10|salut"),
        (b"3 bonjour", b"4 salut", b"12 salut"),
        ('{"seq":0,"t":"bonjour"}', '{"seq":1,"t":"salut"}', '{"seq":9,"t":"salut"}'),
        ("12:00:07 bonjour", "12:00:08 salut", "12:00:07 salut"),
        ("v2 bonjour", "v3 salut", "v2 salut"),
        ("MSG|1|bonjour", "MSG|1|salut", "MSG|1|salut"),
    ],
)
def test_messages_are_numbered(one: Frame, two: Frame, tenth: Frame) -> None:
    """Le numéro d'un message augmente de un à chaque fois, comme chez le client ; une heure ou un
    bout de mot n'est pas un numéro.
    """
    dialect = Dialect([], one, text="bonjour", numbered=numbering(one, two))
    assert dialect.saying("léo", "salut", {}, rank=9) == tenth


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
