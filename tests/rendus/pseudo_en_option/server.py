import asyncio
import itertools
from websockets.asyncio.server import serve

USERS = {}
COUNTER = itertools.count(1)


class User:
    def __init__(self, ws):
        self.ws, self.nick = ws, f"guest{next(COUNTER)}"

    async def emit(self, line):
        await self.ws.send(line + "\n")


async def cmd_nick(user, arg):
    if not arg or any(u.nick == arg for u in USERS.values()):
        return await user.emit("!! nickname unavailable")
    old, user.nick = user.nick, arg
    await announce(f"** {old} is now known as {arg}")


async def cmd_me(user, arg):
    await announce(f"* {user.nick} {arg}")


async def cmd_quit(user, arg):
    await user.emit("bye!")
    await user.ws.close()


COMMANDS = {"nick": cmd_nick, "me": cmd_me, "quit": cmd_quit}


async def announce(line, skip=None):
    for user in list(USERS.values()):
        if user is not skip:
            try:
                await user.emit(line)
            except Exception:
                pass


async def handler(ws):
    user = USERS[ws] = User(ws)
    await user.emit(f"Hi {user.nick}, type /nick to change your name")
    await announce(f"** {user.nick} connected", user)
    try:
        async for line in ws:
            line = line.strip()
            if line.startswith("/"):
                name, _, arg = line[1:].partition(" ")
                command = COMMANDS.get(name)
                await (command(user, arg) if command else user.emit("!! unknown command"))
            elif line:
                await announce(f"{user.nick} | {line}")
    finally:
        del USERS[ws]
        await announce(f"** {user.nick} disconnected")


async def main():
    async with serve(handler, "", 6789):
        await asyncio.get_running_loop().create_future()

asyncio.run(main())
