"""uWebSockets (C++) par socketify : la même salle, par son propre `publish`, sans Redis.

python uws_server.py PORT
"""

import sys

from socketify import App, CompressOptions, OpCode


def on_upgrade(response, request, socket_context):
    key = request.get_header("sec-websocket-key")
    protocol = request.get_header("sec-websocket-protocol")
    extensions = request.get_header("sec-websocket-extensions")
    response.upgrade(key, protocol, extensions, socket_context, {})


def on_message(websocket, message, opcode):
    user = websocket.get_user_data()
    if "pseudo" in user:
        websocket.publish("room", f"{user['pseudo']} a dit : {message}", OpCode.TEXT)
    else:
        user["pseudo"] = message.partition("|")[2]
        websocket.subscribe("room")


app = App()
app.ws(
    "/*",
    {
        "compression": CompressOptions.DISABLED,
        "max_payload_length": 16 * 1024,
        "max_backpressure": 256 * 1024 * 1024,  # au-delà, uWebSockets perdrait des messages
        "idle_timeout": 120,
        "upgrade": on_upgrade,
        "message": on_message,
    },
)
app.listen({"host": "127.0.0.1", "port": int(sys.argv[1])}, lambda config: None)
app.run()
