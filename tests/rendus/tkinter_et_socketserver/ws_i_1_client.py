import sys
import asyncio
import websockets

async def main(host, port):
    async with websockets.connect("ws://%s:%s" % (host, port)) as ws:
        while 1:
            try:
                line = input()
            except EOFError:
                break
            if not line:
                break
            await ws.send(line)
            rep = await ws.recv()
            sys.stdout.write("Serveur : " + rep + "\n")

if len(sys.argv) != 3:
    print("Utilisation : python %s <hote> <port>" % sys.argv[0])
    sys.exit(1)
asyncio.run(main(*sys.argv[1:]))
