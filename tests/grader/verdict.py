"""Un verdict : l'une des quatre issues, et ce qui est venu, en clés de la table des phrases."""

from dataclasses import dataclass, field

PASSED, FAILED, NOT_REACHED, COULD_NOT_RUN = "passed", "failed", "not_reached", "could_not_run"


@dataclass
class Verdict:
    """L'issue d'une vérification. `came` et `mistake` sont des clés de checks.toml, avec leurs
    paramètres ; `remarks` sont des remarques qui ne coûtent rien.
    """

    state: str
    came: str = ""
    params: dict[str, str] = field(default_factory=dict)
    mistake: tuple[str, dict] | None = None
    remarks: list[tuple[str, dict]] = field(default_factory=list)
    seconds: float = 0.0
    messages: int = 0


def passed(*remarks: tuple[str, dict]) -> Verdict:
    return Verdict(PASSED, "as_expected", remarks=list(remarks))


def failed(came: str, /, **params: str) -> Verdict:
    return Verdict(FAILED, came, params)


def not_reached(came: str, /, **params: str) -> Verdict:
    return Verdict(NOT_REACHED, came, params)


def could_not_run(came: str, /, **params: str) -> Verdict:
    return Verdict(COULD_NOT_RUN, came, params)
