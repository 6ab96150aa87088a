"""La limite : un protocole asyncio nu, qui écrit à chacun une trame toute faite.

Ni bibliothèque, ni session, ni base : il reste surtout le prix des appels à `send` du système. Une
trame part dès qu'elle a LINES lignes, ou que la plus vieille attend depuis 15 ms, comme chez nous.
"""

import asyncio
import re
import sys

from websockets.utils import accept_key

PORT, LINES = map(int, sys.argv[1:])
REST = 0.015

everyone = set()
waiting = []  # (auteur, ligne)
timer = None


def frame(lines):
    text = b"\n".join(lines)
    if len(text) < 126:
        return bytes([0x81, len(text)]) + text
    if len(text) < 65536:
        return b"\x81\x7e" + len(text).to_bytes(2, "big") + text
    return b"\x81\x7f" + len(text).to_bytes(8, "big") + text


def flush():
    global timer
    timer.cancel()
    timer = None
    authors = {author for author, _ in waiting}
    everything = frame(line for _, line in waiting)
    for peer in everyone - authors:
        peer.transport.write(everything)
    for peer in authors:
        others = [line for author, line in waiting if author is not peer]
        if others:
            peer.transport.write(frame(others))
    waiting.clear()


class Peer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.rest, self.pseudo = transport, b"", None

    def data_received(self, data):
        if self not in everyone:  # la demande, que le générateur envoie d'un coup
            key = re.search(rb"Sec-WebSocket-Key: (\S+)", data)[1].decode()
            answer = (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
            )
            self.transport.write(answer.encode())
            everyone.add(self)
            return
        data, start = self.rest + data, 0
        while len(data) - start >= 6:
            end = start + 6 + (data[start + 1] & 0x7F)  # le générateur n'en envoie que de courtes
            if len(data) < end:
                break
            self.take(data[start + 6 : end])  # masqué par une clé nulle, donc tel quel
            start = end
        self.rest = data[start:]

    def take(self, text):
        global timer
        if self.pseudo is None:
            self.pseudo = text.partition(b"|")[2]
            return
        waiting.append((self, self.pseudo + b" a dit : " + text))
        timer = timer or loop.call_later(REST, flush)
        if len(waiting) >= LINES:
            flush()


loop = asyncio.new_event_loop()
loop.run_until_complete(loop.create_server(Peer, "127.0.0.1", PORT, backlog=512))
loop.run_forever()
