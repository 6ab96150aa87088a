"""Ce que README.md et README.en.md montrent du banc : un tableau, des rapports, en deux langues.

python bench/pages.py    # refait tout le compte rendu depuis bench/results.json, sans mesurer
"""

import json
from functools import partial

import report
from report import (
    HUNDRED,
    LARGE,
    ONE,
    SLOWER,
    TEN,
    Measures,
    judged_goals,
    lost,
    main_systems,
    number,
    spread,
)
from variants import ROOT

PAGES = {"fr": ROOT / "README.md", "en": ROOT / "README.en.md"}
END = "<!-- / -->"
EVERYTHING = lost(Measures([{"system": "", "same_order": 1}]), "")

WORDS = {
    "fr": {
        "limite, mêmes trames que II.2": "la limite : les mêmes trames, toutes faites",
        "measured": (
            "Mesuré sur {cpu}, {cores} cœurs, Linux {kernel}, Python {python}, Node {node} ;"
            " médianes de {rounds} tours. µs de calcul du serveur par ligne livrée, 500"
            " clients, messages de 100 octets. Le p99 : une ligne sur cent arrive plus tard"
            " que cela."
        ),
        "head": "| | 1 auteur, saturé | 100 auteurs, saturé | 1000 messages/s | p99 à ce rythme"
        " | livré |",
        "all": "tout, une fois, en ordre",
        "ms": "{} ms",
        "ratios": (
            "À 100 auteurs, une ligne de II.2 coûte {node} fois moins que celle de Node `ws`"
            " + redis ({node_one} fois avec un seul auteur), {socketio} fois moins que celle"
            " de python-socketio, {channels} fois moins que celle de Channels ; {uws} fois ce"
            " que coûte uWebSockets, {limit} fois la limite. Sur {goals} objectifs, {held}"
            " sont tenus : les autres, et tous les chiffres, sont dans"
            " [bench/results.md](bench/results.md)."
        ),
        "chart": "![Calcul du serveur par ligne livrée](img/bench-cout.svg)",
        "figure I.3": (
            "**Le chiffre.** Passer une ligne à un client de plus (500 clients, 10 auteurs qui"
            " n'arrêtent pas) coûte {i3} µs de calcul au serveur avec `broadcast()`, {loop} avec"
            " une boucle de `await send()`, {gather} avec `asyncio.gather()`, {deflate} si l'on"
            " compresse ([mesures](bench/results.md))."
        ),
        "figure II.2": (
            "**Le chiffre.** La même ligne, sous la même charge, coûte ici {ii2} µs, parce qu'une"
            " trame en porte plusieurs : une ligne par trame, {one} µs ; un abonnement à Redis"
            " par client au lieu d'un lecteur par serveur, {pubsub} µs"
            " ([mesures](bench/results.md))."
        ),
        "figure II.3": (
            "**Le chiffre.** Personne n'attend la copie : à 1000 messages par seconde et 500"
            " clients, une ligne sur cent arrive plus tard que {p99_ii3} ms, et {p99_ii2} ms sans"
            " historique (entre parenthèses, l'étendue d'un tour à l'autre). À 100 messages par"
            " seconde, une ligne coûte {ii3} µs ; {unpaced} µs si la copie ne se repose pas"
            " (`COPY_REST`) ([mesures](bench/results.md))."
        ),
    },
    "en": {
        "limite, mêmes trames que II.2": "the limit: the same frames, ready-made",
        "limite, une ligne par trame": "the limit, one line per frame",
        "Node `ws`, sans Redis": "Node `ws`, without Redis",
        "FastAPI, sans Redis": "FastAPI, without Redis",
        "measured": (
            "Measured on {cpu}, {cores} cores, Linux {kernel}, Python {python}, Node {node};"
            " medians of {rounds} rounds. µs of server CPU per delivered line, 500 clients,"
            " messages of 100 bytes. The p99: one line in a hundred arrives later than that."
        ),
        "head": "| | 1 author, saturated | 100 authors, saturated | 1000 messages/s | p99 at this"
        " rate | delivered |",
        "all": "all, once, in order",
        "ms": "{} ms",
        "ratios": (
            "With 100 authors, a line of II.2 costs {node} times less than one of Node `ws` +"
            " redis ({node_one} times with a single author), {socketio} times less than one of"
            " python-socketio, {channels} times less than one of Channels; {uws} times what"
            " uWebSockets costs, {limit} times the limit. Of {goals} goals, {held} are held:"
            " the others, and every figure, are in [bench/results.md](bench/results.md) (in"
            " French)."
        ),
        "chart": "![Server CPU per delivered line](img/bench-cout.svg)",
        "figure I.3": (
            "**The figure.** Passing a line to one more client (500 clients, 10 authors who never"
            " stop) costs the server {i3} µs of CPU with `broadcast()`, {loop} with a loop of"
            " `await send()`, {gather} with `asyncio.gather()`, {deflate} with compression"
            " ([figures](bench/results.md))."
        ),
        "figure II.2": (
            "**The figure.** The same line, under the same load, costs {ii2} µs here, because a"
            " frame carries several: one line per frame, {one} µs; one subscription to Redis per"
            " client instead of one reader per server, {pubsub} µs ([figures](bench/results.md))."
        ),
        "figure II.3": (
            "**The figure.** Nobody waits for the copy: at 1000 messages per second and 500"
            " clients, one line in a hundred arrives later than {p99_ii3} ms, and {p99_ii2} ms"
            " without the history (in brackets, how it varied over the rounds). At 100 messages"
            " per second, a line costs {ii3} µs; {unpaced} µs if the copy does not rest"
            " (`COPY_REST`) ([figures](bench/results.md))."
        ),
        "perdues": "lost",
        "en double": "doubled",
        "rendues à leur auteur": "sent back to their author",
        "connexions coupées": "connections cut",
        "ordre différent d'un client à l'autre": "order differs between clients",
    },
}


def shown_in(language: str, value: float) -> str:
    text = number(value)
    return text if language == "fr" else text.replace(",", ".").replace("\u202f", ",")


def sections(results, language: str) -> dict[str, str]:
    """Rend ce que montre la page d'une langue, par nom, d'après les mesures d'un essai complet."""
    m, shown = Measures(results["records"]), partial(shown_in, language)
    figures = {
        "i3": m.cost("i3", TEN),
        "loop": m.cost("i3-boucle", TEN),
        "gather": m.cost("i3-gather", TEN),
        "deflate": m.cost("i3-deflate", TEN),
        "ii2": m.cost("ii2", TEN),
        "one": m.cost("ii2-une-ligne", TEN),
        "pubsub": m.cost("ii2-abonnements", TEN),
        "ii3": m.cost("ii3", SLOWER),
        "unpaced": m.cost("ii3-sans-pause", SLOWER),
    }
    figures = {name: shown(value) for name, value in figures.items()}
    for system in "ii2", "ii3":
        figures[f"p99_{system}"] = spread(m.values(lambda one: one["p99"], system, LARGE), shown)
    steps = {
        step: WORDS[language][f"figure {step}"].format(**figures)
        for step in ("I.3", "II.2", "II.3")
    }
    return {"table": comparison(results, language)} | steps


def comparison(results, language: str) -> str:
    """Rend le tableau des systèmes, le graphique et les rapports."""
    m, machine, words = Measures(results["records"]), results["machine"], WORDS[language]
    shown = partial(shown_in, language)

    def delivered(system) -> str:
        text = lost(m, system.name, clients=500)
        if text == EVERYTHING:
            return words["all"]
        for french, other in words.items():
            text = text.replace(french, other)
        return text if language == "fr" else text.replace("\u202f", ",")

    rows = [
        "| {} | {} | {} | {} | {} | {} |".format(
            words.get(system.label, system.label),
            *(shown(m.cost(system.name, load)) for load in (ONE, HUNDRED, LARGE)),
            words["ms"].format(shown(m.key("p99", system.name, LARGE))),
            delivered(system),
        )
        for system in sorted(main_systems(), key=lambda system: m.cost(system.name, HUNDRED))
    ]
    ours = {load: m.cost("ii2", load) for load in (ONE, HUNDRED)}
    goals = [held for _, _, held in judged_goals(m)]
    ratios = words["ratios"].format(
        node=shown(m.cost("node", HUNDRED) / ours[HUNDRED]),
        node_one=shown(m.cost("node", ONE) / ours[ONE]),
        socketio=shown(m.cost("socketio", HUNDRED) / ours[HUNDRED]),
        channels=shown(
            min(m.cost(f"channels-{layer}", HUNDRED) for layer in ("core", "pubsub"))
            / ours[HUNDRED]
        ),
        uws=shown(ours[HUNDRED] / m.cost("uws", HUNDRED)),
        limit=shown(ours[HUNDRED] / m.cost("limite-trame", HUNDRED)),
        goals=len(goals),
        held=sum(goals),
    )
    measured = words["measured"].format(**machine, rounds=results["rounds"])
    table = [words["head"], "|---|---|---|---|---|---|", *rows]
    return "\n".join([measured, "", *table, "", words["chart"], "", ratios])


def begin(name: str) -> str:
    return f"<!-- bench/pages.py : {name} -->"


def write_pages(results) -> None:
    """Remplace dans chaque page ce qui est entre deux marques."""
    for language, page in PAGES.items():
        text = page.read_text(encoding="utf-8")
        for name, shown in sections(results, language).items():
            before, _, rest = text.partition(begin(name))
            _, _, after = rest.partition(END)
            text = f"{before}{begin(name)}\n{shown}\n{END}{after}"
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    saved = json.loads((report.BENCH / "results.json").read_text(encoding="utf-8"))
    report.write(saved)
    write_pages(saved)
