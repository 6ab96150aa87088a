"""Ce qu'un tour mesure : quels systèmes, devant combien de clients, sous quelles charges."""

from dataclasses import dataclass

from .systems import CHATROOM, II2, II3, LIMIT, NODE, STREAM, SYSTEMS, UWS, VARIANTS, System


@dataclass(frozen=True)
class Load:
    """Une charge : combien parlent, et à quel rythme (messages/s ; 0 : saturation)."""

    name: str
    authors: int
    rate: float = 0

    def messages(self, system: System, clients: int) -> int:
        """Rend combien de messages envoyer pour occuper le système à peu près une seconde.

        À rythme fixe, on raccourcit pour qui ne suit pas : son retard ne ferait que grandir.
        """
        price = system.cost * clients / 1e6  # secondes de calcul par message
        if self.rate:
            return int(min(self.rate, max(4 / price, 30)))
        return int(min(max(1 / price, self.authors, 20), 10_000))


ONE = Load("saturé, 1 auteur", 1)
HUNDRED = Load("saturé, 100 auteurs", 100)
LARGE = Load("1000 messages/s", 100, rate=1000)
SMALL = Load("300 messages/s", 100, rate=300)
SLOWER = Load("100 messages/s", 100, rate=100)
LONE = Load("message isolé", 1, rate=20)  # un toutes les 50 ms : la salle a le temps de se taire
SHARED = Load("1000 messages/s, 10 auteurs", 10, rate=1000)


@dataclass(frozen=True)
class Step:
    """Un système, ses clients, les charges qu'il subit à la suite."""

    system: System
    clients: int
    loads: tuple[Load, ...]
    servers: int = 1

    def __str__(self):
        several = f", {self.servers} serveurs" if self.servers > 1 else ""
        return f"{self.system.label}, {self.clients} clients{several}"


def one_round(beside: tuple[System, ...] = ()):
    """Les étapes d'un tour, système après système : une machine qui ralentit les ralentit tous."""
    for system in (CHATROOM, *beside, *SYSTEMS[1:]):
        loads = (ONE, HUNDRED, LARGE)
        # La limite met autant de lignes par trame que chatroom sous la même charge : une à la fois.
        for some in zip(loads) if system is LIMIT else (loads,):
            yield Step(system, 500, some)
    for system in (CHATROOM, *beside, II3, II2, UWS, NODE, STREAM):
        yield Step(system, 100, (LONE, SMALL))
    for system in (CHATROOM, *beside, NODE, UWS):
        yield Step(system, 2000, (HUNDRED,))
    for system in VARIANTS:
        yield Step(system, 500, (HUNDRED, SLOWER) if system.changes else (SLOWER,))
    for servers in (1, 2, 4):
        yield Step(CHATROOM, 50 * servers, (SHARED,), servers)
