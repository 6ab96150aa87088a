"""Un script écrit pour les vieilles versions de websockets se reconnaît à sa lecture."""

from pathlib import Path

import pytest

from grader.finding.handin import HandIn
from grader.running.old_websockets import obsolete

SERVE = "import websockets\nasync def main():\n    async with websockets.serve({}): ...\n"
TWO = "async def chat(ws, path): ...\n"
ONE = "async def chat(ws):\n    {}\n"


def found(folder: Path, text: str, **neighbours: str) -> list[str]:
    (folder / "ws_i_3_server.py").write_text(text)
    for name, content in neighbours.items():
        (folder / f"{name}.py").write_text(content)
    return [str(remark) for remark, _ in obsolete(HandIn(folder), Path("ws_i_3_server.py"))]


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        (TWO + SERVE.format("chat"), ["obsolete_path"]),
        (TWO + SERVE.format("ws_handler=chat"), ["obsolete_path", "obsolete_option"]),
        (SERVE.format("lambda ws, path: chat(ws)"), ["obsolete_path"]),
        ("class S:\n async def chat(self, ws, path): ...\n" + SERVE.format("s.chat"),
         ["obsolete_path"]),
        ("async def chat(room, ws, path): ...\n" + SERVE.format("partial(chat, r)"),
         ["obsolete_path"]),
        (ONE.format("if ws.open: ...") + SERVE.format("chat"), ["obsolete_attribute"]),
        (ONE.format("print(ws.path)") + SERVE.format("chat"), ["obsolete_attribute"]),
        ("import websockets as w\nserver = w.serve(chat)", ["obsolete_start"]),
        ("from websockets.server import serve\n", ["obsolete_name"]),
        ("import websockets\ndef f(ws: websockets.WebSocketServerProtocol): ...",
         ["obsolete_name"]),
        ("from websockets import connect\nasync def f():\n    connect(u, extra_headers={})",
         ["obsolete_option"]),
    ],
)  # fmt: skip
def test_old(text: str, signs: list[str], tmp_path: Path):
    """Chaque signe ancien, et lui seul."""
    assert found(tmp_path, text) == signs


@pytest.mark.parametrize(
    "text",
    [
        ONE.format("...") + SERVE.format("chat"),
        "async def chat(ws, path=None): ...\n" + SERVE.format("chat"),
        "async def chat(ws, room): ...\n" + SERVE.format("partial(chat, room=r)"),
        "from websockets.sync.server import serve\nserve(chat, timeout=3)",
        "import aiofiles\nasync def f():\n    async with aiofiles.open(p): ...",
        "class S:\n  def __init__(self): self.closed = 1\n  def f(self): return self.closed",
        "import redis\nredis.connect(timeout=3)",
        TWO + "from websockets.asyncio.server import serve\n" + SERVE.format("chat"),
        TWO + SERVE.format("chat") + "def f(ws): return ws.request.path",
        TWO + SERVE.format("chat, additional_headers={}"),
    ],
)
def test_new(text: str, tmp_path: Path):
    """Ce qui leur ressemble n'en est pas un, et un seul signe nouveau l'emporte."""
    assert found(tmp_path, text) == []


def test_a_module_beside(tmp_path: Path):
    """La fonction `(websocket, path)` peut vivre dans un module du rendu."""
    text = "from salon import chat\n" + SERVE.format("chat")
    assert found(tmp_path, text, salon="async def f(ws):\n    return ws.open\n") == [
        "obsolete_attribute"
    ]
