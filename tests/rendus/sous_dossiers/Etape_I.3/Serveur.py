import asyncio
import configparser
import websockets

conf = configparser.ConfigParser()
conf.read_file(open("config.ini"))
connectes = {}


async def gere(ws):
    pseudo = (await ws.recv()).strip()
    connectes[pseudo] = ws
    await tous(pseudo + " vient d'arriver", pseudo)
    try:
        async for m in ws:
            await tous(pseudo + " : " + m, pseudo)
    except websockets.ConnectionClosed:
        pass
    connectes.pop(pseudo)
    await tous(pseudo + " vient de partir", pseudo)


async def tous(texte, sauf):
    await asyncio.gather(*[w.send(texte) for p, w in connectes.items() if p != sauf], return_exceptions=True)


async def main():
    await websockets.serve(gere, conf["serveur"]["hote"], int(conf["serveur"]["port"]))
    await asyncio.Event().wait()

asyncio.run(main())
