import WebSocket from 'ws';
import readline from 'node:readline/promises';

const rl = readline.createInterface({ input: process.stdin, output: process.stdout });
const pseudo = await rl.question('Pseudo : ');
const ws = new WebSocket('ws://10.213.4.15:8765');
ws.on('open', () => ws.send(`Hello|${pseudo}`));
ws.on('message', (m) => console.log(`\x1b[32m${m}\x1b[0m`));
ws.on('close', () => { console.log('Le serveur a fermé'); process.exit(1); });
rl.on('line', (l) => ws.send(l));
