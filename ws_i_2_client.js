/*
 * TP7, étape I.2 : le client de l'étape I.1, en JavaScript sous Node.
 *
 * Ce que l'étape montre : le protocole est le même pour tous, le serveur Python ne voit pas la
 * différence. Lance `ws_i_1_server.py`, puis `npm install ws` (une fois) et :
 *   node ws_i_2_client.js [adresse] [port]
 * À regarder : `once` attend un événement comme `await` attend une coroutine en Python.
 */
"use strict";

const { once } = require("node:events");
const readline = require("node:readline");

const [address = "127.0.0.1", port = "8888"] = process.argv.slice(2);
const url = `ws://${address}:${port}`;

async function main() {
  const WebSocket = require("ws");
  const socket = new WebSocket(url);
  socket.on("error", fail);
  socket.on("close", (code) => quit(`\nLe serveur est parti (code ${code}) : relance-le.`));
  await once(socket, "open");

  const keyboard = readline.createInterface({ input: process.stdin, output: process.stdout });
  const leave = () => {
    socket.close(); // dit au revoir, sans attendre la réponse
    process.exit();
  };
  keyboard.on("SIGINT", leave); // Ctrl+C
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

function fail(error) {
  if (error.code === "MODULE_NOT_FOUND") quit("Il manque le paquet ws : lance `npm install ws`.");
  const reason = error.code ?? error.message;
  quit(`Pas de conversation avec ${url} (${reason}) : vérifie l'adresse, le port et le serveur.`);
}

function quit(sentence) {
  console.error(sentence);
  process.exit(1);
}

main().catch(fail);
