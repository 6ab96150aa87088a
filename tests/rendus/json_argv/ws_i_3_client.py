import asyncio, json, sys
import websockets

host, port = sys.argv[1], sys.argv[2]


async def main():
    loop = asyncio.get_running_loop()
    user = await loop.run_in_executor(None, input, "Nickname: ")
    async with websockets.connect(f"ws://{host}:{port}/") as ws:
        await ws.send(json.dumps({"action": "join", "user": user}))

        async def rx():
            async for raw in ws:
                ev = json.loads(raw)
                if ev["action"] == "said":
                    print("<%s> %s" % (ev["user"], ev["text"]))
                else:
                    print("*", ev["user"], ev["action"])
            print("Connection closed by server")

        asyncio.create_task(rx())
        while True:
            text = await loop.run_in_executor(None, sys.stdin.readline)
            await ws.send(json.dumps({"action": "say", "text": text.strip()}))

asyncio.run(main())
