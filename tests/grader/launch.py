"""Lancer un script d'étudiant tel quel : son Python, ses arguments, son dossier de travail."""

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from grader.arguments import (
    ARGUMENTS,
    NAMELESS,
    NICKNAME,
    counted_in_code,
    in_usage,
    named_in_code,
    required,
    value_of,
)
from grader.handin import Code, HandIn, python_for
from grader.instructions import Recipe, as_package, written
from grader.sandbox import Program, Scratch, until

GUEST = Path(__file__).parent / "guest"
ROOT = Path(__file__).resolve().parents[2]
START = 10  # secondes pour qu'un serveur écoute
QUESTIONS = 5  # un serveur qui en pose davantage avant d'écouter n'est plus suivi
READS_ARGUMENTS = re.compile(r"argv|argparse|optparse|click|typer|minimist|yargs|commander")
WANTS_ARGUMENTS = re.compile(r"usage|IndexError: list index out of range|argument", re.I)
NO_DISPLAY = re.compile(
    r"no \$DISPLAY|(?:connect to|open) (?:X )?(?:display|server)|no available video device", re.I
)
MISSING_PACKAGE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
MISSING_NODE = re.compile(r"Cannot find (?:module|package) '([^'./][^']*)'")


IMPORTED = re.compile(r"""require\(["']ws["']\)|from\s+["']ws["']|import\(["']ws["']\)""")


class CouldNotRun(Exception):
    """Notre machine empêche de juger : la raison est une clé de phrase et ses paramètres."""

    def __init__(self, key: str, **params: str):
        super().__init__(key)
        self.key, self.params = key, params


@dataclass
class Ports:
    """Où le calque envoie les connexions de ce programme."""

    server: int = 0
    redis: int = 0
    mongo: int = 0

    def environment(self) -> dict[str, str]:
        return {f"TP7_{kind.upper()}_PORT": str(port) for kind, port in vars(self).items()}

    def allowed(self) -> tuple[int, ...]:
        return tuple(port for port in vars(self).values() if port)


class Launcher:
    """Lance les scripts d'un rendu, chacun dans une copie neuve, et ramasse tout à la fin."""

    def __init__(self, hand_in: HandIn):
        self.hand_in = hand_in
        self.recipes: dict[str, Recipe] = {}
        self.pythons: dict[str, tuple[str, bool]] = {}
        self.remarks: dict[str, list] = {}  # rôle -> les remarques sur sa façon d'être lancé
        self._settled: set[str] = set()  # les clients que l'on sait déjà lancer
        self._running: list[Program] = []

    def python(self, role: str) -> str:
        """Le Python de ce script ; lève CouldNotRun s'il en faut un plus récent qu'ici."""
        code = self.hand_in.code(role)
        if role not in self.pythons:
            self.pythons[role] = python_for(code)
        path, suits = self.pythons[role]
        if not suits and needs_newer(code):
            raise CouldNotRun("newer_python", script=code.path.name)
        return path

    async def run(
        self, role: str, ports: Ports, *, terminal: bool = True, pseudo: str = NAMELESS
    ) -> Program:
        """Lance le script de ce rôle dans une copie neuve du rendu."""
        recipe = self.recipes.setdefault(role, Recipe())
        scratch = Scratch(self.hand_in.folder, recipe.without)
        script = scratch.work / self.hand_in.scripts[role]
        if role.endswith(".js"):
            command, environment = self._node(role, script, scratch)
        else:
            command, environment = self._python(role, script)
        folder = script.parents[recipe.above]
        arguments = [pseudo if value == NICKNAME else value for value in recipe.arguments]
        program = Program([*command, *arguments], scratch, folder)
        program.end = lambda: self.end(program)
        program.remarks = self.remarks.get(role, [])
        self._running.append(program)
        return await program.start(
            terminal=terminal,
            limit_memory=not role.endswith(".js"),
            ports=ports.allowed(),
            **environment,
            **ports.environment(),
        )

    def _python(self, role: str, script: Path) -> tuple[list[str], dict[str, str]]:
        python = self.python(role)
        places = [str(GUEST / "python")]
        if python != sys.executable:  # les paquets de ce Python-ci, en Python pur, lui suffisent
            places.append(sysconfig.get_path("purelib"))
            self.remarks[role] = [("newer_python_used", {"python": Path(python).name})]
        recipe = self.recipes[role]
        if recipe.module:
            own = self.hand_in.scripts[role].with_suffix("").parts[-recipe.above - 1 :]
            return [python, "-m", ".".join(own)], {"PYTHONPATH": ":".join(places)}
        return [python, str(script)], {"PYTHONPATH": ":".join(places)}

    def _node(self, role: str, script: Path, scratch: Scratch) -> tuple[list[str], dict[str, str]]:
        node = shutil.which("node")
        if not node:
            raise CouldNotRun("no_node")
        modules = scratch.work / "node_modules"
        ours = ROOT / "node_modules" / "ws"
        if not (modules / "ws").exists():
            if not ours.exists():
                raise CouldNotRun("no_ws")
            modules.mkdir(exist_ok=True)
            # Node ne cherche les paquets d'un module ES qu'à côté de lui : NODE_PATH ne suffit pas.
            (modules / "ws").symlink_to(ours)
        options = ["--require", str(GUEST / "node" / "preload.cjs"), "--max-old-space-size=300"]
        text = script.read_text("utf-8", "replace")
        if node_major(node) in (20, 21) and "WebSocket" in text and not IMPORTED.search(text):
            options.append("--experimental-websocket")
            self.remarks[role] = [("needs_flag", {})]
        return [node, *options, str(script)], {"NODE_NO_WARNINGS": "1"}

    async def server(self, role: str, ports: Ports) -> "Served":
        """Lance un serveur et attend qu'il écoute, en essayant au besoin arguments et dossier."""

        async def launch() -> Program:
            program = await self.run(role, ports)
            for _ in range(QUESTIONS):
                await until(
                    lambda: program.noted("listen") or not program.alive or asks(program), START
                )
                if not asks(program):
                    break
                await program.tell(address(program.question))
            return program

        first = await launch()
        return Served(await self._retry(role, first, launch, lambda p: bool(p.noted("listen"))))

    async def _retry(
        self,
        role: str,
        first: Program,
        launch: Callable[[], Awaitable[Program]],
        works: Callable[[Program], bool],
    ) -> Program:
        """Essaie les autres façons de lancer un script qui a mal fini, et garde celle qui marche.

        D'abord comme le rendu le dit ; puis d'un autre dossier ; puis, de celui où sa plainte a
        changé, avec des arguments. Si rien ne marche, rend le premier essai, ou lève CouldNotRun
        s'il manque quelque chose ici.
        """
        usual, program, above = self.recipes[role], first, 0
        script = self.hand_in.scripts[role]
        if works(first) or first.alive:
            return first

        async def attempt(recipe: Recipe) -> Program:
            await self.end(program)
            self.recipes[role] = recipe
            return await launch()

        for recipe in written(self.hand_in, script) + as_package(
            self.hand_in, script, first.output
        ):
            program = await attempt(replace(recipe, without=usual.without))
            if works(program):
                return program
        for level in range(1, len(script.parts)):
            program = await attempt(replace(usual, above=level))
            if works(program):
                return program
            if complaint(program) != complaint(first):
                above = level
                break
        for arguments in self._arguments(role, program if above else first):
            program = await attempt(replace(usual, above=above, arguments=arguments))
            if works(program):
                return program
        self.recipes[role] = usual
        self._blame_us(first)
        return first

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
            named_in_code(code.tree),
            counted_in_code(code.tree),
        )
        return [*filter(None, wanted), *map(list, ARGUMENTS)]

    async def client(
        self,
        role: str,
        ports: Ports,
        *,
        terminal: bool = True,
        without: tuple[str, ...] = (),
        pseudo: str = NAMELESS,
    ) -> Program:
        """Lance un client, en essayant au besoin arguments et dossier tant qu'il finit mal.

        `without` : les fichiers d'une exécution d'avant, que l'on ne copie pas. `pseudo` : celui
        que l'on donne au script s'il le veut en argument.
        """
        self.recipes.setdefault(role, Recipe()).without = without
        first = await self._launch(role, ports, terminal, pseudo)
        return await self._retry(
            role,
            first,
            lambda: self._launch(role, ports, terminal, pseudo),
            lambda program: program.alive or program.connected,
        )

    async def _launch(self, role: str, ports: Ports, terminal: bool, pseudo: str) -> Program:
        program = await self.run(role, ports, terminal=terminal, pseudo=pseudo)
        await self._started(program)
        await program.quiet(0.2, 1.5)  # une trace d'erreur s'écrit en plusieurs fois
        if role not in self._settled and READS_ARGUMENTS.search(self.hand_in.code(role).text):
            # Il a pu écrire comment on l'emploie, et mettre un moment à finir.
            await until(lambda: not program.alive or program.connected, 2)
        if program.alive:
            self._settled.add(role)
        return program

    async def _started(self, program: Program) -> None:
        """Un client qui démarre finit, se connecte, ou écrit sa première question."""
        await until(lambda: not program.alive or program.connected or program.output.strip(), START)

    def _blame_us(self, program: Program) -> None:
        """Lève CouldNotRun si l'échec vient de ce que cette machine n'a pas."""
        if NO_DISPLAY.search(program.output):
            raise CouldNotRun("no_display")
        if found := MISSING_PACKAGE.search(program.output):
            package = found[1].partition(".")[0]
            if package not in sys.stdlib_module_names:
                raise CouldNotRun("no_package", package=package)
        if found := MISSING_NODE.search(program.output):
            raise CouldNotRun("no_node_package", package=found[1])

    async def end(self, program: Program) -> None:
        """Arrête un programme et jette sa copie."""
        if program in self._running:
            self._running.remove(program)
            await program.stop()
            program.scratch.remove()

    async def end_all(self) -> None:
        for program in list(self._running):
            await self.end(program)


@dataclass
class Served:
    """Un serveur lancé ; `url` est vide s'il n'a jamais écouté."""

    program: Program

    @property
    def url(self) -> str:
        return next(iter(self.urls), "")

    @property
    def urls(self) -> list[str]:
        listens = self.program.noted("listen")
        hosts = (("[::1]" if ":" in e["host"] else "127.0.0.1", e["port"]) for e in listens)
        return [f"ws://{host}:{port}" for host, port in hosts]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2] or 0)


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


def needs_newer(code: Code) -> bool:
    """Vrai si l'échec de lecture a tout l'air d'une syntaxe plus récente, pas d'une faute."""
    if code.tree is not None:
        return True  # la syntaxe est bonne : c'est un nom de la bibliothèque qui manque
    try:
        compile(code.text, code.path.name, "exec")
    except SyntaxError as error:
        return "f-string" in (error.msg or "") or "multiple exception types" in (error.msg or "")
    except (ValueError, RecursionError, MemoryError):
        pass
    return False


def node_major(node: str) -> int:
    version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20)
    return int(re.sub(r"\D.*", "", version.stdout.lstrip("v")) or 0)
