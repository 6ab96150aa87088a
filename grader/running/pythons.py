"""Le Python qui convient à un script : celui-ci, ou un plus récent trouvé sur la machine.

Le correcteur n'importe rien de ce qu'un script nomme, fût-ce un module de la bibliothèque : il le
laisse s'en plaindre lui-même, là où il tourne.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from grader.finding.code import Code

ABSENT_NAME = re.compile(r"ImportError: cannot import name '\w+' from '(\w+)[\w.]*'")
NEWER_SYNTAX = re.compile("f-string|multiple exception types")
READ = "import ast, sys; ast.parse(open(sys.argv[1], 'rb').read())"


def newer(code: Code) -> Iterator[str]:
    """Les Python plus récents que celui-ci qui lisent ce script, le plus proche d'abord."""
    for minor in range(sys.version_info.minor + 1, 20):
        places = Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python")
        for python in filter(None, (shutil.which(f"python3.{minor}"), *map(str, places))):
            if reads(python, code):
                yield python


def reads(python: str, code: Code) -> bool:
    """Vrai si ce Python-là comprend la syntaxe de ce fichier ; il ne le lance pas."""
    command = [python, "-I", "-W", "ignore", "-c", READ, str(code.path)]
    try:
        return subprocess.run(command, capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def lacks_a_name(output: str) -> bool:
    """Vrai si ce programme est mort d'un nom que la bibliothèque de son Python n'a pas."""
    found = ABSENT_NAME.search(output)
    return bool(found and found[1] in sys.stdlib_module_names)
