"""La limite : un protocole asyncio nu, qui écrit à chacun une trame toute faite.

    python limit.py PORT LIGNES

Pas de bibliothèque, pas de session, pas de base : il lit le premier octet d'une trame, enlève le
masque, et écrit. Une trame est écrite dès qu'il y a LIGNES lignes à y mettre (1 : une par message),
ou que la plus vieille attend depuis 15 ms, comme dans nos serveurs. On ne peut guère faire moins
avec asyncio ; ce qui reste est le prix des appels à `send` du système.
"""

import asyncio
import base64
import hashlib
import re
import sys

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
REST = 0.015

everyone = set()
waiting = []  # (auteur, ligne)
flush_handle = None


def frame(lines):
    text = b"\n".join(lines)
    length = len(text)
    if length < 126:
        return bytes([0x81, length]) + text
    if length < 65536:
        return b"\x81\x7e" + length.to_bytes(2, "big") + text
    return b"\x81\x7f" + length.to_bytes(8, "big") + text


def flush():
    global flush_handle
    if flush_handle:
        flush_handle.cancel()
        flush_handle = None
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
        self.transport = transport
        self.rest = b""
        self.pseudo = None

    def data_received(self, data):
        self.rest += data
        if self not in everyone:
            head, found, self.rest = self.rest.partition(b"\r\n\r\n")
            if not found:
                self.rest = head
                return
            key = re.search(rb"Sec-WebSocket-Key: (\S+)", head)[1]
            accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            everyone.add(self)
        self.take_frames()

    def connection_lost(self, error):
        everyone.discard(self)

    def take_frames(self):
        data, start = self.rest, 0
        while len(data) - start >= 6:
            length = data[start + 1] & 0x7F  # le générateur n'envoie que de courtes trames
            end = start + 6 + length
            if len(data) < end:
                break
            mask, payload = data[start + 2 : start + 6], data[start + 6 : end]
            if mask != b"\0\0\0\0":
                key = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
                payload = (int.from_bytes(payload, "big") ^ key).to_bytes(length, "big")
            self.take(payload)
            start = end
        self.rest = data[start:]

    def take(self, text):
        global flush_handle
        if self.pseudo is None:
            self.pseudo = text.partition(b"|")[2]
            return
        waiting.append((self, self.pseudo + b" a dit : " + text))
        if len(waiting) >= LINES:
            flush()
        elif not flush_handle:
            flush_handle = asyncio.get_running_loop().call_later(REST, flush)


async def main(port):
    server = await asyncio.get_running_loop().create_server(Peer, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    LINES = int(sys.argv[2])
    asyncio.run(main(int(sys.argv[1])))
