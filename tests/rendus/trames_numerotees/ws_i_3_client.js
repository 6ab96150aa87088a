const WebSocket = require("ws");
const clavier = require("readline").createInterface({ input: process.stdin, output: process.stdout });

clavier.question("Nickname: ", (nick) => {
  const ws = new WebSocket("ws://127.0.0.1:4040");
  let seq = 0;
  const envoyer = (trame) => ws.send(JSON.stringify({ seq: seq++, ...trame }));
  ws.on("open", () => {
    envoyer({ nick });
    clavier.on("line", (body) => envoyer({ body }));
  });
  ws.on("message", (brut) => console.log(JSON.parse(brut).text));
  ws.on("close", () => {
    console.log("The server is gone.");
    process.exit(0);
  });
  ws.on("error", () => {});
});
