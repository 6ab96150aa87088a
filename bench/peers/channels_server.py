"""Django Channels et channels_redis : un groupe, un consommateur par connexion.

    REDIS_URL=... LAYER=core|pubsub uvicorn --app-dir peers channels_server:app --port PORT

La capacité d'une file (100 par défaut) est montée à 100 000 : en dessous, la couche « core » jette.
"""

import os

import django
from django.conf import settings

LAYERS = {
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}
options = {"hosts": [os.environ["REDIS_URL"]]}
if os.environ["LAYER"] == "core":
    options["capacity"] = 100_000
settings.configure(
    SECRET_KEY="banc",
    INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={"default": {"BACKEND": LAYERS[os.environ["LAYER"]], "CONFIG": options}},
)
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402


class Chat(AsyncWebsocketConsumer):
    pseudo = None

    async def receive(self, text_data=None, bytes_data=None):
        if self.pseudo is None:
            self.pseudo = text_data.partition("|")[2]
            await self.channel_layer.group_add("room", self.channel_name)
        else:
            line = f"{self.pseudo} a dit : {text_data}"
            event = {"type": "said", "author": self.channel_name, "line": line}
            await self.channel_layer.group_send("room", event)

    async def disconnect(self, code):
        await self.channel_layer.group_discard("room", self.channel_name)

    async def said(self, event):
        if event["author"] != self.channel_name:
            await self.send(text_data=event["line"])


app = ProtocolTypeRouter({"websocket": Chat.as_asgi()})
