const WebSocket = require('ws');
const rl = require('readline').createInterface({ input: process.stdin });
const reglages = { url: 'ws://127.0.0.1:8888', nom: 'Sacha' };
const ws = new WebSocket(reglages.url);

ws.on('open', () => rl.on('line', (ligne) =>
  ws.send(JSON.stringify({ auteur: reglages.nom, texte: ligne }))));
ws.on('message', (m) => {
  const { auteur, texte } = JSON.parse(m);
  console.log(`${auteur}: ${texte}`);
});
ws.on('close', () => process.exit(console.log('coupe')));
