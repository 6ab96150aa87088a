# J'ai voulu comprendre le protocole alors je l'ai fait sans la lib (RFC 6455)
import socketserver
import hashlib
import base64
import struct

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class WS(socketserver.StreamRequestHandler):
    def handle(self):
        cle = None
        while True:
            ligne = self.rfile.readline().strip().decode()
            if ligne == "":
                break
            if ligne.lower().startswith("sec-websocket-key:"):
                cle = ligne.split(":", 1)[1].strip()
        if cle is None:
            return
        accept = base64.b64encode(hashlib.sha1((cle + GUID).encode()).digest()).decode()
        self.wfile.write(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + "\r\n\r\n").encode())
        while True:
            opcode, data = self.lire()
            if opcode == 8:
                self.ecrire(8, data)
                return
            if opcode == 9:
                self.ecrire(10, data)
            if opcode == 1:
                print("recu", data.decode())
                self.ecrire(1, ("Hello client ! Received \"" + data.decode() + "\"").encode())

    def lire(self):
        b1, b2 = self.rfile.read(2)
        n = b2 & 127
        if n == 126:
            n = struct.unpack("!H", self.rfile.read(2))[0]
        elif n == 127:
            n = struct.unpack("!Q", self.rfile.read(8))[0]
        masque = self.rfile.read(4)
        data = bytes(o ^ masque[i % 4] for i, o in enumerate(self.rfile.read(n)))
        return b1 & 15, data

    def ecrire(self, opcode, data):
        if len(data) < 126:
            tete = bytes([128 | opcode, len(data)])
        else:
            tete = bytes([128 | opcode, 126]) + struct.pack("!H", len(data))
        self.wfile.write(tete + data)


class Serveur(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True


with Serveur(("192.168.56.10", 8888), WS) as s:
    s.serve_forever()
