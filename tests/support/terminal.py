"""Un vrai terminal (pty) et son écran : ce qu'une personne tape, et ce qu'elle voit."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable

import pyte

from .processes import PATIENCE, clean_environment, command_of, wait_for

# Un chef de session sans terminal prend pour sien le premier qu'il ouvre (man 4 tty) : c'est ainsi
# que Ctrl+C, Ctrl+Z et SIGWINCH arrivent au programme. Et si les tests sont lancés en arrière-plan
# par un script, Ctrl+C est ignoré d'avance (POSIX, `sh`) : un vrai terminal, lui, l'écoute.
IN_ITS_TERMINAL = (
    "import os, sys; from signal import SIG_DFL, SIGINT, signal; signal(SIGINT, SIG_DFL);"
    " os.open(os.ttyname(0), os.O_RDWR); os.execv(sys.argv[1], sys.argv[1:])"
)


class Glass(pyte.HistoryScreen):
    """L'écran de pyte, avec ce que xterm, VTE et tmux font et que pyte fait autrement.

    Un curseur placé sous la région qui défile y descend, et y revient par ESC 8, sans remonter
    dans la région. Un écran qui rétrécit perd d'abord ses rangées du bas, sous le curseur ; un
    écran qui grandit reprend des lignes de l'historique.
    """

    def cursor_down(self, count: int | None = None) -> None:
        below = self.margins and self.cursor.y > self.margins.bottom
        bottom = self.margins.bottom if self.margins and not below else self.lines - 1
        self.cursor.y = min(self.cursor.y + (count or 1), bottom)

    def restore_cursor(self) -> None:
        margins, self.margins = self.margins, None
        super().restore_cursor()
        self.margins = margins

    def resize(self, lines: int, columns: int) -> None:
        while lines < self.lines:
            if self.cursor.y == self.lines - 1:
                self.history.top.append(self.buffer[0])
                self._shift(1)
            self.buffer.pop(self.lines - 1, None)
            self.lines -= 1
        while lines > self.lines:
            self.lines += 1
            if self.history.top:
                self._shift(-1)
                self.buffer[0] = self.history.top.pop()
        super().resize(lines, columns)
        self.set_margins()

    def _shift(self, count: int) -> None:
        """Monte toutes les rangées, et le curseur, de `count` (les descend s'il est négatif)."""
        moved = {row - count: line for row, line in self.buffer.items() if row >= count}
        self.buffer.clear()
        self.buffer.update(moved)
        self.cursor.y -= count


class Terminal:
    """Un script dans un terminal de `rows` rangées et `columns` colonnes.

    `raw` : tous les octets écrits par le programme et par l'écho du noyau ; `lines` : l'écran.
    """

    def __init__(self, script: str, *options: str, rows: int = 24, columns: int = 80, **env: str):
        self.raw = b""
        self._screen = Glass(columns, rows, history=5000)
        self._screen.write_process_input = self.type  # « où est le curseur ? » : il répond
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._reading = threading.Event()
        self._closed = threading.Event()
        self._master, self._slave = pty.openpty()
        self._tell_size(rows, columns)
        command, folder = command_of(script)
        self._process = subprocess.Popen(
            [sys.executable, "-c", IN_ITS_TERMINAL, *map(str, command), *options],
            cwd=folder,
            env=clean_environment(**{"TERM": "xterm-256color"} | env),
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.flow()

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _read(self) -> None:
        while not self._closed.is_set():
            if not self._reading.wait(0.05):
                continue
            if select.select([self._master], [], [], 0.02)[0]:
                with self._lock:
                    if self._reading.is_set():
                        data = os.read(self._master, 65536)
                        self.raw += data
                        self._stream.feed(data)

    def _tell_size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def lines(self) -> list[str]:
        """Les rangées de l'écran, de haut en bas, sans les blancs de droite."""
        with self._lock:
            return [line.rstrip() for line in self._screen.display]

    @property
    def history(self) -> list[str]:
        """Tout ce qui a été à l'écran et en est sorti par le haut."""
        with self._lock:
            width = range(self._screen.columns)
            rows = list(self._screen.history.top)
            return ["".join(row[x].data for x in width).rstrip() for row in rows]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def cursor(self) -> tuple[int, int]:
        """Rangée et colonne du curseur, comptées de 0."""
        with self._lock:
            return self._screen.cursor.y, self._screen.cursor.x

    @property
    def scrolls_whole(self) -> bool:
        """Dit si tout l'écran défile : aucune région n'est restée."""
        with self._lock:
            return self._screen.margins is None

    @property
    def unread(self) -> int:
        """Octets écrits par le programme que le terminal figé garde à lire, 4095 au plus."""
        count = fcntl.ioctl(self._master, termios.FIONREAD, struct.pack("i", 0))
        return struct.unpack("i", count)[0]

    @property
    def is_blocking(self) -> bool:
        """Dit si le terminal est dans le mode où les programmes suivants l'attendent."""
        return os.get_blocking(self._slave)

    @property
    def echoes(self) -> bool:
        """Dit si le terminal montre ce qu'on tape, comme un shell s'y attend."""
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    def left_for_the_shell(self) -> bytes:
        """Rend ce qui est tapé et que le programme n'a pas lu, comme un shell le lirait ensuite."""
        modes = termios.tcgetattr(self._slave)
        modes[3] &= ~termios.ICANON
        termios.tcsetattr(self._slave, termios.TCSANOW, modes)
        return os.read(self._slave, 4096) if select.select([self._slave], [], [], 0)[0] else b""

    def type(self, keys: str | bytes) -> None:
        """Appuie sur des touches : `\\n` pour Entrée, `\\x03` Ctrl+C, `\\x04` Ctrl+D."""
        os.write(self._master, keys.encode() if isinstance(keys, str) else keys)

    def wait_for(self, condition: Callable[[], object], what: str, timeout: float = 10) -> None:
        wait_for(condition, lambda: f"{what} ; l'écran :\n{self.text}", timeout)

    def wait_screen(self, text: str, timeout: float = 10) -> None:
        """Attend que `text` soit visible à l'écran."""
        self.wait_for(lambda: text in self.text, f"« {text} » ne paraît pas", timeout)

    def resize(self, rows: int, columns: int) -> None:
        """Change la taille : l'écran d'abord, puis SIGWINCH, comme un vrai terminal."""
        with self._lock:
            self._screen.resize(rows, columns)
        self._tell_size(rows, columns)

    def stall(self) -> None:
        """Arrête de lire, comme un terminal figé par Ctrl+S : ses tampons se remplissent."""
        with self._lock:
            self._reading.clear()

    def flow(self) -> None:
        """Recommence à lire."""
        self._reading.set()

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, timeout: float = 10) -> int:
        """Attend la fin du programme, et que ses derniers mots soient à l'écran ; rend son code."""
        code = self.wait_exit(timeout)
        wait_for(lambda: not select.select([self._master], [], [], 0.05)[0], "l'écran bouge encore")
        with self._lock:  # le lecteur a fini d'afficher ce qu'il avait pris
            return code

    def wait_exit(self, timeout: float = 10) -> int:
        """Attend la fin du programme sans regarder l'écran ; rend son code."""
        return self._process.wait(timeout * PATIENCE)

    def hang_up(self) -> None:
        """Ferme la fenêtre : le noyau envoie SIGHUP au programme."""
        self._stop_reading()
        os.close(self._master)
        self._master = -1

    def _stop_reading(self) -> None:
        self._closed.set()
        self._reader.join()

    def close(self) -> None:
        """Tue ce qui reste, et ferme le terminal."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._stop_reading()
        for end in (self._master, self._slave):
            if end >= 0:
                os.close(end)
        self._master = self._slave = -1
