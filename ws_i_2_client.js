/*
 * TP7, étape I.2 : le client de l'étape I.1, en JavaScript sous Node.
 *
 * Ce que l'étape montre : le protocole est le même pour tous, le serveur Python ne voit pas la
 * différence. Lance `ws_i_1_server.py`, puis `npm install` (une fois) et :
 *   node ws_i_2_client.js [adresse] [port]
 * À regarder : `once` attend un événement comme `await` attend une coroutine en Python.
 */
"use strict";

const { once } = require("node:events");
const readline = require("node:readline");

const [address = "127.0.0.1", port = "8888", ...others] = process.argv.slice(2);

function quit(sentence, code = 1) {
  console.error(sentence);
  process.exit(code);
}

function loadWebSocket() {
  try {
    return require("ws");
  } catch {
    return quit("Il manque le paquet ws : lance `npm install` dans ce dossier.");
  }
}

async function main() {
  if (!/^\d{1,5}$/.test(port) || port > 65535 || others.length > 0) {
    quit("Usage : node ws_i_2_client.js [adresse] [port], avec un port de 0 à 65535.", 2);
  }
  const url = `ws://${address.includes(":") ? `[${address}]` : address}:${port}`;
  const WebSocket = loadWebSocket();
  let socket;
  try {
    socket = new WebSocket(url, { handshakeTimeout: 10_000 });
    await once(socket, "open");
  } catch (error) {
    quit(
      `Pas de serveur WebSocket à ${url} (${error.code ?? error.message}) :` +
        " lance ws_i_1_server.py, ou vérifie l'adresse et le port.",
    );
  }
  socket.on("error", () => {}); // une panne est toujours suivie de "close"
  socket.on("close", () => quit("\nLe serveur est parti : relance-le, puis ce client."));

  const keyboard = readline.createInterface({ input: process.stdin, output: process.stdout });
  const leave = () => {
    keyboard.close();
    socket.removeAllListeners("close").on("close", () => console.log()); // quitte la saisie
    socket.close();
    setTimeout(process.exit, 1000).unref(); // sans attendre un serveur qui ne répond plus
  };
  keyboard.on("SIGINT", leave); // Ctrl+C dans un terminal…
  process.on("SIGINT", leave); // … et ailleurs
  keyboard.setPrompt("Ton message : ");
  keyboard.prompt();
  for await (const message of keyboard) {
    socket.send(message);
    const [answer] = await once(socket, "message");
    console.log(answer.toString());
    keyboard.prompt();
  }
  leave();
}

main().catch((error) => quit(`La connexion s'est rompue : ${error.message}`));
