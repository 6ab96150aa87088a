// Node avec `ws`, et Redis (pub/sub) quand REDIS_URL est donné : la façon la plus courante de tenir
// une salle à plusieurs serveurs.
//
//     node node_server.js PORT
"use strict";

const { createServer } = require("http");
const { createClient } = require("redis");
const { WebSocketServer, WebSocket } = require("ws");

const port = Number(process.argv[2]);
const url = process.env.REDIS_URL;

async function main() {
  const http = createServer();
  const server = new WebSocketServer({ server: http, perMessageDeflate: false });
  let nextId = 1;
  const prefix = `${process.pid}-`;

  function passOn(author, line) {
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN && client.pseudo && client.id !== author) {
        client.send(line);
      }
    }
  }

  let say = passOn;
  if (url) {
    const publisher = createClient({ url });
    const subscriber = publisher.duplicate();
    await Promise.all([publisher.connect(), subscriber.connect()]);
    await subscriber.subscribe("room", (text) => {
      const { author, line } = JSON.parse(text);
      passOn(author, line);
    });
    say = (author, line) => publisher.publish("room", JSON.stringify({ author, line }));
  }

  server.on("connection", (client) => {
    client.id = prefix + nextId++;
    client.on("message", (data) => {
      const text = data.toString();
      if (client.pseudo) {
        say(client.id, `${client.pseudo} a dit : ${text}`);
      } else {
        client.pseudo = text.split("|")[1];
      }
    });
  });
  // En dernier : qui serait arrivé avant que Redis réponde n'aurait été écouté de personne.
  http.listen(port, "127.0.0.1", 512);
}

main();
