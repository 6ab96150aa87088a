import asyncio
import os
import aioconsole
import websockets


async def listen(ws):
    async for m in ws:
        if m.startswith("ID|"):
            with open("mon_id.txt", "w") as f:
                f.write(m)
        else:
            print(m)
    print("Connexion perdue")
    os._exit(1)


async def main():
    async with websockets.connect("ws://10.0.3.1:8888") as ws:
        if os.path.exists("mon_id.txt"):
            await ws.send(open("mon_id.txt").read())
        else:
            await ws.send("Hello|" + await aioconsole.ainput("pseudo ? "))
        asyncio.create_task(listen(ws))
        while True:
            await ws.send(await aioconsole.ainput())

asyncio.run(main())
