// npm install ws
const WebSocket = require("ws");
const readline = require("node:readline/promises");

const ws = new WebSocket("ws://10.1.1.11:8765");

ws.on("open", async () => {
    const rl = readline.createInterface({ input: process.stdin, output: process.stdout });
    const text = await rl.question("Votre message : ");
    ws.send(JSON.stringify({ type: "message", data: { text } }));
    rl.close();
});

ws.on("message", (raw) => {
    const event = JSON.parse(raw.toString());
    switch (event.type) {
        case "reply":
            console.log(event.data.text);
            ws.close();
            break;
        case "error":
            console.error("Erreur :", event.data.text);
            break;
    }
});

ws.on("error", (e) => console.error(e.message));
