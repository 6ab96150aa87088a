"""Lancer un script d'étudiant tel quel : son Python, ses arguments, son dossier de travail."""

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from grader.clock import until
from grader.finding.handin import HandIn
from grader.running.arguments import (
    ARGUMENTS,
    NAMELESS,
    NICKNAME,
    counted_in_code,
    in_usage,
    named_in_code,
    own_options,
    required,
    value_of,
)
from grader.running.old_websockets import obsolete
from grader.running.program import Program
from grader.running.pythons import NEWER_SYNTAX, lacks_a_name, newer
from grader.running.recipes import Recipe, as_package, written
from grader.running.scratch import Scratch
from grader.verdict import Came, CouldNotRun, Note, Remark

GUEST = Path(__file__).parent / "guest"
ROOT = Path(__file__).resolve().parents[2]
START = 10  # secondes pour qu'un serveur écoute
AGAIN = 5  # secondes de plus, si à côté un second lancement essaie aussi
# Un script lancé deux fois de suite au même endroit : le second prend la place du lanceur.
TWICE = ["-ISc", "import os, subprocess, sys; command = [sys.executable, *sys.argv[1:]]; "
         "subprocess.run(command); os.execv(command[0], command)"]  # fmt: skip
WRITTEN = 6  # façons de lancer un script que l'on prend d'un README
QUESTIONS = 5  # un serveur qui en pose davantage avant d'écouter n'est plus suivi
MEMORY = {"RLIMIT_AS": 2_000_000_000}  # octets d'adresses ; Node en réserve sans s'en servir
READS_ARGUMENTS = re.compile(r"argv|argparse|optparse|click|typer|minimist|yargs|commander")
WANTS_ARGUMENTS = re.compile(r"usage|IndexError: list index out of range|argument", re.I)
NO_DISPLAY = re.compile(
    r"no \$DISPLAY|(?:connect to|open) (?:X )?(?:display|server)|no available video device", re.I
)
MISSING_PACKAGE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
MISSING_NODE = re.compile(r"Cannot find (?:module|package) '([^'./][^']*)'")
IMPORTED = re.compile(r"""require\(["']ws["']\)|from\s+["']ws["']|import\(["']ws["']\)""")


@dataclass(frozen=True)
class Ports:
    """Où le calque envoie les connexions de ce programme."""

    server: int = 0
    redis: int = 0
    mongo: int = 0

    def environment(self) -> dict[str, str]:
        return {f"TP7_{kind.upper()}_PORT": str(port) for kind, port in vars(self).items()}

    def allowed(self) -> list[int]:
        return [port for port in vars(self).values() if port]


class Launcher:
    """Lance les scripts d'un rendu, chacun dans une copie neuve, et ramasse tout à la fin."""

    def __init__(self, hand_in: HandIn) -> None:
        self.hand_in = hand_in
        self._recipes: dict[str, Recipe] = {}  # rôle -> la façon de lancer qui a marché
        self._settled: set[str] = set()  # les clients que l'on sait déjà lancer
        self._hopeless: set[str] = set()  # ceux que l'on a déjà lancés de toutes les façons
        self._obsolete: dict[str, list[Note]] = {}  # rôle -> ce que websockets n'accepte plus
        self._started: list[Program] = []

    async def server(self, role: str, ports: Ports) -> Program:
        """Lance un serveur et attend qu'il écoute, en essayant au besoin arguments et dossier."""

        async def launch(recipe: Recipe) -> Program:
            return await listening(await self._run(role, recipe, ports), START)

        first = await self._find(role, launch, listens)
        if listens(first) or not first.alive or role in self._hopeless:
            return first
        # Il tourne et n'écoute pas : trop lent, ou figé par la machine.
        second = await self._run(role, self._recipes.get(role) or self._usual(role), ports)
        await listening(second, AGAIN, first)
        kept, other = (second, first) if listens(second) else (first, second)
        await other.end()
        if not listens(kept):
            self._hopeless.add(role)
        return kept

    async def client(
        self, role: str, ports: Ports, pseudo: str = NAMELESS, without: tuple[str, ...] = ()
    ) -> Program:
        """Lance un client, en essayant au besoin arguments et dossier tant qu'il finit mal."""

        async def launch(recipe: Recipe) -> Program:
            program = await self._run(role, recipe, ports, pseudo, without)
            # Un client qui démarre finit, se connecte, ou écrit sa première question.
            await until(
                lambda: not program.alive or program.connected or program.output.strip(), START
            )
            await program.quiet(0.2, 1.5)  # une trace d'erreur s'écrit en plusieurs fois
            wanting = READS_ARGUMENTS.search(self.hand_in.code(role).text)
            if role not in self._settled and (wanting or "Traceback" in program.output):
                # Il a pu écrire comment on l'emploie, ou son erreur, et mettre un moment à finir.
                await until(lambda: not program.alive or program.connected, 2)
            if program.alive:
                self._settled.add(role)
            return program

        return await self._find(role, launch, lambda program: program.alive or program.connected)

    def forget(self, role: str) -> None:
        """Ce rôle passe à un autre script."""
        self._recipes.pop(role, None)
        self._settled.discard(role)
        self._hopeless.discard(role)
        self._obsolete.pop(role, None)

    async def end_all(self) -> None:
        while self._started:
            await self._started.pop().end()

    # --- Un lancement -----------------------------------------------------------------------------

    async def _run(
        self,
        role: str,
        recipe: Recipe,
        ports: Ports,
        pseudo: str = NAMELESS,
        without: tuple[str, ...] = (),
    ) -> Program:
        """Lance le script de ce rôle, de cette façon, dans une copie neuve du rendu."""
        scratch = Scratch(self.hand_in.inventory, without, self.hand_in.packages)
        script = scratch.work / self.hand_in.scripts[role]
        prepare = self._node if role.endswith(".js") else self._python
        try:
            command, environment, remarks = prepare(role, recipe, script, scratch)
        except BaseException:
            scratch.remove()
            raise
        if self.hand_in.packages:
            environment["TP7_PACKAGES"] = str(self.hand_in.packages)
        arguments = [pseudo if value == NICKNAME else value for value in recipe.arguments]
        program = Program([*command, *arguments], scratch, script.parents[recipe.above], remarks)
        limits = {} if role.endswith(".js") else MEMORY
        try:
            await program.start(ports.allowed(), limits, **environment, **ports.environment())
        except BaseException:
            scratch.remove()
            raise
        self._started.append(program)
        return program

    def _python(
        self, role: str, recipe: Recipe, script: Path, scratch: Scratch
    ) -> tuple[list[str], dict[str, str], list[Note]]:
        python, places = recipe.python, [str(GUEST / "python")]
        remarks: list[Note] = []
        if python != sys.executable:  # les paquets de ce Python-ci, en Python pur, lui suffisent
            places.append(sysconfig.get_path("purelib"))
            remarks.append((Remark.NEWER_PYTHON_USED, {"python": Path(python).name}))
        environment = {"PYTHONPATH": ":".join(places)}
        if role not in self._obsolete:
            self._obsolete[role] = obsolete(self.hand_in, self.hand_in.scripts[role])
        if self._obsolete[role]:
            remarks += self._obsolete[role]
            environment["TP7_WEBSOCKETS"] = "legacy"
        target = [str(script)]
        if recipe.module:
            own = self.hand_in.scripts[role].with_suffix("").parts[-recipe.above - 1 :]
            target = ["-m", ".".join(own)]
        return [python, *TWICE * recipe.twice, *target], environment, remarks

    def _node(
        self, role: str, recipe: Recipe, script: Path, scratch: Scratch
    ) -> tuple[list[str], dict[str, str], list[Note]]:
        node = shutil.which("node")
        if not node:
            raise CouldNotRun(Came.NO_NODE)
        modules = scratch.work / "node_modules"
        ours = ROOT / "node_modules" / "ws"
        if not (modules / "ws").exists():
            if not ours.exists():
                raise CouldNotRun(Came.NO_WS)
            modules.mkdir(exist_ok=True)
            # Node ne cherche les paquets d'un module ES qu'à côté de lui : NODE_PATH ne suffit pas.
            (modules / "ws").symlink_to(ours)
        if self.hand_in.packages:
            link_all(self.hand_in.packages / "node" / "node_modules", modules)
        options = ["--require", str(GUEST / "node" / "preload.cjs"), "--max-old-space-size=300"]
        text = script.read_text("utf-8", "replace")
        remarks: list[Note] = []
        if node_major(node) in (20, 21) and "WebSocket" in text and not IMPORTED.search(text):
            options.append("--experimental-websocket")
            remarks.append((Remark.NEEDS_FLAG, {}))
        return [node, *options, str(script)], {"NODE_NO_WARNINGS": "1"}, remarks

    # --- La façon de le lancer --------------------------------------------------------------------

    async def _find(
        self,
        role: str,
        launch: Callable[[Recipe], Awaitable[Program]],
        works: Callable[[Program], bool],
    ) -> Program:
        """Lance un script ; s'il finit mal, essaie d'autres façons, et retient celle qui marche.

        D'abord comme le rendu le dit ; puis d'un autre dossier ; puis, de celui où sa plainte a
        changé, avec des arguments ; enfin comme au début, puis deux fois au même endroit. Tout
        cela, une fois pour toutes. Si rien ne marche, rend le premier essai, ou lève CouldNotRun
        s'il manque quelque chose ici.
        """
        usual = self._recipes.get(role) or self._usual(role)
        script = self.hand_in.scripts[role]

        async def attempt(recipe: Recipe) -> tuple[Program, bool]:
            program = await launch(recipe)
            good = works(program)
            if good:
                self._recipes[role] = recipe
            elif not program.alive or recipe is not usual:
                await program.end()
            return program, good

        first, good = await attempt(usual)
        if good or first.alive:
            return first
        for python in newer(self.hand_in.code(role)) if lacks_a_name(first.output) else ():
            other = replace(usual, python=python)
            program, good = await attempt(other)
            if good:
                return program
            if not lacks_a_name(program.output):
                usual, first = other, program
                break
        if role in self._hopeless:
            blame_us(first, script)
            return first
        for recipe in (
            *written(self.hand_in, script)[:WRITTEN],
            *as_package(self.hand_in, script, first.output),
        ):
            program, good = await attempt(replace(recipe, python=usual.python))
            if good:
                return program
        moved, complaining = usual, first
        for level in range(1, len(script.parts)):
            program, good = await attempt(replace(usual, above=level))
            if good:
                return program
            if complaint(program) != complaint(first):
                moved, complaining = replace(usual, above=level), program
                break
        for arguments in self._arguments(role, complaining):
            program, good = await attempt(replace(moved, arguments=tuple(arguments)))
            if good:
                return program
        blame_us(first, script)
        for recipe in (usual, replace(usual, twice=True)):
            program, good = await attempt(recipe)
            if good:
                return program
        self._hopeless.add(role)
        return first

    def _usual(self, role: str) -> Recipe:
        """La façon ordinaire, avec un Python qui lit ce script ; lève CouldNotRun sans lui."""
        code = self.hand_in.code(role)
        own = tuple(own_options(code)) if "client" in role else ()
        if role.endswith(".js") or code.tree:
            return Recipe(own)
        if python := next(newer(code), None):
            return Recipe(python=python)
        if NEWER_SYNTAX.search(code.error):
            raise CouldNotRun(Came.NEWER_PYTHON, script=code.path.name)
        return Recipe()

    def _arguments(self, role: str, program: Program) -> list[list[str]]:
        """Les arguments qui valent un essai, vu la façon dont le script vient de finir."""
        code = self.hand_in.code(role)
        if not READS_ARGUMENTS.search(code.text):
            return []
        if "argv" not in code.text and not WANTS_ARGUMENTS.search(program.output):
            return []
        wanted = (
            required(program.output),
            in_usage(program.output),
            named_in_code(code),
            counted_in_code(code),
        )
        own = own_options(code) if "client" in role else []
        return [[*one, *own] for one in (*filter(None, wanted), *map(list, ARGUMENTS))]


def listens(program: Program) -> bool:
    return bool(program.url)


async def listening(program: Program, seconds: float, other: Program | None = None) -> Program:
    """Ce serveur, une fois que lui ou l'autre écoute, qu'il a fini, ou que le temps a passé."""

    def settled() -> bool:
        return bool(program.noted("listen") or not program.alive or (other and listens(other)))

    for _ in range(QUESTIONS):
        await until(lambda: settled() or asks(program), seconds)
        if settled() or not asks(program):
            break
        await program.tell(address(program.question))
    return program


def blame_us(program: Program, script: Path) -> None:
    """Lève CouldNotRun si l'échec vient de ce que cette machine n'a pas."""
    if lacks_a_name(program.output):
        raise CouldNotRun(Came.NEWER_PYTHON, script=script.name)
    if NO_DISPLAY.search(program.output):
        raise CouldNotRun(Came.NO_DISPLAY)
    if found := MISSING_PACKAGE.search(program.output):
        package = found[1].partition(".")[0]
        if package not in sys.stdlib_module_names:
            raise CouldNotRun(Came.NO_PACKAGE, package=package)
    if found := MISSING_NODE.search(program.output):
        raise CouldNotRun(Came.NO_NODE_PACKAGE, package=found[1])


def link_all(installed: Path, modules: Path) -> None:
    """Lie les paquets installés pour ce rendu à côté de ceux qui y sont."""
    for package in installed.iterdir() if installed.is_dir() else ():
        if not (package.name.startswith(".") or (modules / package.name).exists()):
            (modules / package.name).symlink_to(package)


def asks(program: Program) -> bool:
    """Vrai si un serveur qui n'écoute pas encore pose une question au clavier."""
    waiting = program.alive and not program.noted("listen")
    return waiting and program.question.endswith((":", "?", ">"))


def address(question: str) -> str:
    """La réponse d'un enseignant à un serveur qui demande où écouter."""
    return value_of(question.splitlines()[-1]) or ""


def complaint(program: Program) -> str:
    """La dernière ligne de ce qu'un script a écrit avant de finir, sans le nom de sa copie."""
    lines = program.output.replace(str(program.scratch.work), "").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def node_major(node: str) -> int:
    version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20)
    return int(re.sub(r"\D.*", "", version.stdout.lstrip("v")) or 0)
