"""Les mesures d'un essai : une ligne chacune dans results.csv, et de quoi les retrouver."""

import csv
from pathlib import Path
from statistics import median

COLUMNS = (
    "round", "system", "clients", "servers", "load", "sent", "lines", "lost", "duplicates",
    "echoes", "closed", "same_order", "uncopied", "frames", "seconds", "p50", "p99", "p999",
    "memory_kib", "server_cpu", "redis_cpu", "mongo_cpu", "generator_cpu",
)  # fmt: skip


def share(name, whole, times):
    """Un chiffre divisé par un autre : par ligne, par message, par seconde."""
    return lambda record: record[name] / record[whole] * times


cost = share("server_cpu", "lines", 1e6)  # ce que coûte au serveur une ligne livrée, en µs


class Measures:
    """Des mesures, et les remarques qui les accompagnent : la machine, les échecs."""

    def __init__(self, records=(), remarks=()):
        self.records, self.remarks = list(records), list(remarks)

    def values(self, figure, system: str, load, clients=500, servers=1) -> list[float]:
        load = getattr(load, "name", load)
        where = {"system": system, "load": load, "clients": clients, "servers": servers}
        return [figure(record) for record in self.records if where.items() <= record.items()]

    def median(self, figure, *where) -> float:
        """Rend la médiane d'un chiffre ; lève StatisticsError s'il n'a pas été mesuré."""
        return median(self.values(figure, *where))

    def write(self, path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(f"# {remark}\n" for remark in self.remarks)
            table = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
            table.writerow(COLUMNS)
            for record in self.records:
                values = [record.get(name, 0) for name in COLUMNS]
                # Cinq chiffres qui comptent suffisent.
                table.writerow(v if isinstance(v, str | int) else float(f"{v:.5g}") for v in values)

    @classmethod
    def read(cls, path: Path) -> "Measures":
        lines = path.read_text(encoding="utf-8").splitlines()
        remarks = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
        return cls(csv.DictReader(lines[len(remarks) :], quoting=csv.QUOTE_NONNUMERIC), remarks)
