const WebSocket = require("ws");
const readline = require("readline");

const cible = process.argv[2];
if (!cible) {
  console.error("Usage : node ws_i_2_client.js HOTE:PORT");
  process.exit(2);
}

const rl = readline.createInterface({ input: process.stdin, output: process.stdout });

rl.question("Message à envoyer : ", (message) => {
  const socket = new WebSocket("ws://" + cible);
  socket.addEventListener("open", () => socket.send(message));
  socket.addEventListener("message", (ev) => {
    console.log(`Réponse du serveur : ${ev.data}`);
    socket.close();
    rl.close();
  });
  socket.addEventListener("error", (ev) => {
    console.error("Oups", ev.message);
    rl.close();
  });
});
