"""Un script lu, jamais lancé ni importé."""

import ast
import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

MAX_FILE = 20_000_000  # octets lus ou copiés d'un fichier


class Code:
    """Le texte d'un script, sa syntaxe, ses imports, ses chaînes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def text(self) -> str:
        try:
            return self.path.read_bytes()[:MAX_FILE].decode("utf-8-sig", "replace")
        except OSError:
            return ""

    @cached_property
    def tree(self) -> ast.Module | None:
        """Sa syntaxe, ou None si ce Python n'y comprend rien : `error` dit pourquoi."""
        self.error = ""
        try:
            with warnings.catch_warnings(action="ignore"):
                return ast.parse(self.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            self.error = str(error)
            return None

    def nodes(self, *kinds: type[ast.AST]) -> list[Any]:
        """Les nœuds de ces sortes, dans tout le script."""
        return [node for node in self._nodes if isinstance(node, kinds)]

    @cached_property
    def _nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree)) if self.tree else []

    def constants(self) -> list[str]:
        """Les chaînes écrites dans le code, sans les docstrings."""
        docs = {node.value for node in self.nodes(ast.Expr)}
        found = (node.value for node in self.nodes(ast.Constant) if node not in docs)
        return [value for value in found if isinstance(value, str)]

    @cached_property
    def modules(self) -> set[str]:
        """Les modules et paquets importés, par leur premier nom."""
        found = {alias.name for node in self.nodes(ast.Import) for alias in node.names}
        found |= {node.module or "" for node in self.nodes(ast.ImportFrom) if not node.level}
        return {name.partition(".")[0] for name in found}


def parts(statements: Iterable[ast.stmt]) -> Iterator[ast.AST]:
    """Tout ce que contiennent ces instructions."""
    return (part for statement in statements for part in ast.walk(statement))
