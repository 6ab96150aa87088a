import argparse
import asyncio
import sys
import threading
import websockets

parser = argparse.ArgumentParser(description="chat client")
parser.add_argument("--url", required=True)
parser.add_argument("--nick", help="nickname")
args = parser.parse_args()


async def run():
    async with websockets.connect(args.url) as ws:
        if args.nick:
            await ws.send(f"/nick {args.nick}")
        loop = asyncio.get_running_loop()
        queue = asyncio.Queue()

        def keyboard():
            for line in sys.stdin:
                loop.call_soon_threadsafe(queue.put_nowait, line)
        threading.Thread(target=keyboard, daemon=True).start()

        async def pump():
            while True:
                await ws.send(await queue.get())
        task = asyncio.create_task(pump())
        async for line in ws:
            print(line, end="", flush=True)
        task.cancel()
        print("connection closed by server")

asyncio.run(run())
