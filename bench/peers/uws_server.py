"""uWebSockets (C++) par socketify : la même salle, par son propre `publish`, sans Redis."""

import sys

from socketify import App, CompressOptions, OpCode


def on_upgrade(response, request, socket_context):
    names = ("sec-websocket-key", "sec-websocket-protocol", "sec-websocket-extensions")
    response.upgrade(*map(request.get_header, names), socket_context, {})


def on_message(websocket, message, opcode):
    user = websocket.get_user_data()
    if "pseudo" in user:
        websocket.publish("room", f"{user['pseudo']} a dit : {message}", OpCode.TEXT)
    else:
        user["pseudo"] = message.partition("|")[2]
        websocket.subscribe("room")


ROOM = {
    "compression": CompressOptions.DISABLED,
    "max_payload_length": 16 * 1024,
    "max_backpressure": 256 * 1024 * 1024,  # au-delà, uWebSockets perdrait des messages
    "idle_timeout": 120,
    "upgrade": on_upgrade,
    "message": on_message,
}
app = App()
app.ws("/*", ROOM)
app.listen({"host": "127.0.0.1", "port": int(sys.argv[1])}, lambda config: None)
app.run()
