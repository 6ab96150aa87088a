"""Des mesures au compte rendu : results.md et le graphique."""

from operator import itemgetter as key
from pathlib import Path
from statistics import median

from . import charts
from .charts import number
from .goals import judge
from .measures import Measures, cost, share
from .plan import HUNDRED, LARGE, LONE, ONE, SHARED, SLOWER, SMALL
from .systems import LABELS, SYSTEMS, VARIANTS

KINDS = dict.fromkeys(("chatroom", "i3", "ii2", "ii3"), "ours") | {"limit": "limit"}
FAULTS = {
    "lost": "perdues",
    "duplicates": "en double",
    "echoes": "rendues à leur auteur",
    "closed": "connexions coupées",
    "uncopied": "absents de MongoDB",
}
# Une ligne par système ; pour chaque colonne, un chiffre, la charge et le nombre de clients.
SYSTEM_TABLES = {
    "500 clients : µs de calcul du serveur par ligne livrée": {
        "saturé, 1 auteur": (cost, ONE, 500),
        "saturé, 100 auteurs": (cost, HUNDRED, 500),
        "1000 messages/s": (cost, LARGE, 500),
        "p50, ms": (key("p50"), LARGE, 500),
        "p99, ms": (key("p99"), LARGE, 500),
    },
    "500 clients, 100 auteurs saturés : ce qui entoure le serveur": {
        "millions de lignes/s": (share("lines", "seconds", 1e-6), HUNDRED, 500),
        "lignes par trame": (share("lines", "frames", 1), HUNDRED, 500),
        "Redis, µs par ligne": (share("redis_cpu", "lines", 1e6), HUNDRED, 500),
        "MongoDB, µs par ligne": (share("mongo_cpu", "lines", 1e6), HUNDRED, 500),
        "générateur occupé, %": (share("generator_cpu", "seconds", 100), HUNDRED, 500),
    },
    "100 clients": {
        "300 messages/s, µs par ligne": (cost, SMALL, 100),
        "p50, ms": (key("p50"), SMALL, 100),
        "p99, ms": (key("p99"), SMALL, 100),
        "message isolé, p50, ms": (key("p50"), LONE, 100),
        "message isolé, p99, ms": (key("p99"), LONE, 100),
    },
    "2000 clients, 100 auteurs saturés": {
        "µs par ligne": (cost, HUNDRED, 2000),
        "Kio par connexion inerte": (key("memory_kib"), HUNDRED, 2000),
    },
}
VARIANTS_TABLE = {
    "saturé, 100 auteurs": (cost, HUNDRED, 500),
    "100 messages/s": (cost, SLOWER, 500),
    "p99 à ce rythme, ms": (key("p99"), SLOWER, 500),
}
# Un système et une charge ; une ligne par nombre de clients et de serveurs.
GROUP_TABLES = {
    "Des serveurs chatroom, 50 clients chacun, 1000 messages/s": ("chatroom", SHARED, {
        "serveurs": key("servers"),
        "Redis, µs par message": share("redis_cpu", "sent", 1e6),
        "Redis occupé, %": share("redis_cpu", "seconds", 100),
        "serveurs, µs par ligne": cost,
        "p99, ms": key("p99"),
    }),
    "Un stream de Redis": ("redis", "XADD", {
        "XADD par envoi": key("clients"),
        "lecteurs": key("servers"),
        "Redis, µs par entrée": share("redis_cpu", "sent", 1e6),
        "entrées/s, un cœur entier": share("sent", "redis_cpu", 1),
    }),
    "Noter": ("grading", "noter", {
        "rendus": key("clients"),
        "durée, s": key("seconds"),
        "calcul, s": key("server_cpu"),
        "mémoire, Mio": share("memory_kib", "servers", 1 / 1024),
    }),
}  # fmt: skip


def spread(values) -> str:
    """Écrit une médiane, et l'étendue des mesures s'il y en a plusieurs."""
    if not any(values):
        return "—"
    low, middle, high = (number(f(values)) for f in (min, median, max))
    return middle if low == high else f"{middle} ({low}–{high})"


def received(m: Measures, system: str) -> str:
    """Dit ce qui n'est pas arrivé comme il faut, dans toutes les mesures d'un système."""
    records = [record for record in m.records if record["system"] == system]
    totals = {word: sum(record[name] for record in records) for name, word in FAULTS.items()}
    remarks = [f"{number(total)} {word}" for word, total in totals.items() if total]
    if any(record["same_order"] == 0 for record in records):
        remarks.append("ordre différent d'un client à l'autre")
    return ", ".join(remarks) or "tout, une fois, en ordre"


def table(*rows) -> str:
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) if len(rows) > 2 else ""


def system_table(m: Measures, names, columns) -> str:
    rows = []
    for name in names:
        cells = [spread(m.values(figure, name, *where)) for figure, *where in columns.values()]
        if any(cell != "—" for cell in cells):
            rows.append([LABELS[name], *cells, received(m, name)])
    return table(["", *columns, "reçu, en tout"], *rows)


def group_table(m: Measures, system, load, columns) -> str:
    rows, found = [], (one for one in m.records if one["system"] == system)
    for group in dict.fromkeys((one["clients"], one["servers"]) for one in found):
        cells = [spread(m.values(figure, system, load, *group)) for figure in columns.values()]
        rows += [cells] if cells[0] != "—" else []
    return table([*columns], *rows)


def goals_table(m: Measures) -> str:
    rows = []
    for goal, value, held in judge(m):
        limit = f"{'au moins' if goal.at_least else 'au plus'} {number(goal.limit)}"
        rows.append([goal.label, number(value), limit, "tenu" if held else "**manqué**"])
    return table(["objectif", "chiffre", "borne", ""], *rows)


def sections(m: Measures):
    """Rend le titre et le tableau de chaque partie du compte rendu."""
    names = [*(system.name for system in SYSTEMS), "beside"]
    yield "Les objectifs", goals_table(m)
    for title, columns in SYSTEM_TABLES.items():
        yield title, system_table(m, names, columns)
    variants = [system.name for system in VARIANTS]
    yield "500 clients, un changement à la fois", system_table(m, variants, VARIANTS_TABLE)
    for title, what in GROUP_TABLES.items():
        yield title, group_table(m, *what)


def write(m: Measures, folder: Path, images: Path) -> None:
    """Écrit results.md dans un dossier et le graphique dans un autre."""
    taken = "Comment chaque chiffre est pris : [README.md](README.md)."
    parts = [f"## {title}\n\n{lines}" for title, lines in sections(m) if lines]
    text = "\n\n".join(["# Ce que mesure le banc", *m.remarks, taken, *parts])
    (folder / "results.md").write_text(f"{text}\n", encoding="utf-8")
    rows = [
        (system.label.replace("`", ""), median(values), KINDS.get(system.name, "peer"))
        for system in SYSTEMS
        if (values := m.values(cost, system.name, HUNDRED))
    ]
    if rows:
        title = "Calcul du serveur par ligne livrée : 500 clients, 100 auteurs saturés"
        charts.bars(images / "bench-cout.svg", title, "µs, échelle logarithmique", rows)
