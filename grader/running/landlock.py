"""La garde la plus faible, sans bubblewrap : keeper.py, et Landlock sur les noyaux qui l'ont."""

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

from grader.running.guard import Order, spawn
from grader.running.kernel import written

KEEPER = Path(__file__).with_name("keeper.py")


class Kept:
    """Un programme sous la garde de keeper.py."""

    def __init__(self, order: Order, terminal: int) -> None:
        self.exit_code: int | None = None
        self.gone = False
        self._folder = order.scratch.root
        self._before = written(self._folder, 0)
        self._news = b""
        asked = {
            "command": order.command,
            "folder": str(order.folder),
            "limits": order.limits,
            "writable": order.scratch.writable,
            "ports": order.ports,
            "environment": order.environment,
        }
        self._control, theirs = socket.socketpair()
        self.root = spawn(
            [sys.executable, "-I", "-S", str(KEEPER), json.dumps(asked)],
            {0: terminal, 1: terminal, 2: terminal, 3: theirs.fileno()},
        )
        theirs.close()
        self._control.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._control, self._listen)

    def _listen(self) -> None:
        try:
            data = self._control.recv(4096)
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._control)
            self.gone = True
            return
        self._news += data
        *lines, self._news = self._news.split(b"\n")
        for line in lines:
            news = json.loads(line)
            self.exit_code = news.get("exit", self.exit_code)
            self.gone = self.gone or "gone" in news

    def disk(self) -> int:
        return written(self._folder, self._before)

    def signal(self, number: int) -> None:
        self._tell(str(number))

    def stop(self) -> None:
        self._tell("stop")

    def _tell(self, order: str) -> None:
        try:
            self._control.send(f"{order}\n".encode())
        except OSError:
            pass

    async def close(self) -> None:
        self._loop.remove_reader(self._control)
        self._control.close()
        await asyncio.to_thread(os.waitpid, self.root, 0)
