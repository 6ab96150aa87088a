"""Un script lu, jamais lancé ni importé."""

import ast
import warnings
from functools import cached_property
from pathlib import Path

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
        return parse(self.text)

    def constants(self) -> list[str]:
        """Les chaînes écrites dans le code, sans les docstrings."""
        if not self.tree:
            return []
        nodes = list(ast.walk(self.tree))
        docs = {node.value for node in nodes if isinstance(node, ast.Expr)}
        return [
            node.value
            for node in nodes
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docs
        ]

    @cached_property
    def modules(self) -> set[str]:
        """Les modules et paquets importés, par leur premier nom."""
        found: set[str] = set()
        for node in ast.walk(self.tree) if self.tree else ():
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
        return {name.partition(".")[0] for name in found}


def parse(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
