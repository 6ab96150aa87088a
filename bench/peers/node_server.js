// Node avec `ws`, et Redis (pub/sub) quand REDIS_URL est donné : la façon la plus courante de tenir
// une salle à plusieurs serveurs.
const { createClient } = require("redis");
const { WebSocketServer, WebSocket } = require("ws");

const url = process.env.REDIS_URL;
const options = { host: "127.0.0.1", port: Number(process.argv[2]), backlog: 512 };
let server;

function passOn(author, line) {
  for (const client of server.clients) {
    if (client.readyState === WebSocket.OPEN && client.pseudo && client.id !== author) {
      client.send(line);
    }
  }
}

async function main() {
  let say = passOn;
  if (url) {
    // Sans ce réglage, une commande qui attend plus de 5 s arrête tout le serveur.
    const publisher = createClient({ url, commandOptions: { timeout: undefined } });
    const subscriber = publisher.duplicate();
    await Promise.all([publisher.connect(), subscriber.connect()]);
    await subscriber.subscribe("room", (text) => passOn(...JSON.parse(text)));
    say = (author, line) => publisher.publish("room", JSON.stringify([author, line]));
  }
  let nextId = 1;
  // En dernier : qui serait arrivé avant que Redis réponde n'aurait été écouté de personne.
  server = new WebSocketServer({ ...options, perMessageDeflate: false });
  server.on("connection", (client) => {
    client.id = `${process.pid}-${nextId++}`;
    client.on("message", (data) => {
      const text = data.toString();
      if (client.pseudo) say(client.id, `${client.pseudo} a dit : ${text}`);
      else client.pseudo = text.split("|")[1];
    });
  });
}

main();
