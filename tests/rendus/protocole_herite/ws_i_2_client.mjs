import WebSocket from 'ws';
import { createInterface } from 'node:readline/promises';

const clavier = createInterface({ input: process.stdin, output: process.stdout });
const ws = new WebSocket('ws://127.0.0.1:8888');
ws.on('open', async () => {
  while (true) ws.send(await clavier.question('> '));
});
ws.on('message', function reponse(data, isBinary) {
  console.log('Reponse du serveur :', data, isBinary);
});
