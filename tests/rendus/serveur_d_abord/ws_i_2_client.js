const WebSocket = require("ws");
const readline = require("readline").createInterface({ input: process.stdin });

const ws = new WebSocket("ws://10.1.1.3:8765");
ws.on("message", (brut) => {
  const { etat, phrase } = JSON.parse(brut);
  if (etat === "pret") {
    console.log("Ton message ?");
    readline.once("line", (ligne) => ws.send(ligne));
  } else {
    console.log(phrase);
    ws.close();
    readline.close();
  }
});
