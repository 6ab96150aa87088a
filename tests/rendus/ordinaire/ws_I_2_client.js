const WebSocket = require('ws');
const readline = require('readline');

const ws = new WebSocket('ws://10.213.4.15:8765');
const rl = readline.createInterface({ input: process.stdin, output: process.stdout });

ws.on('open', () => {
  rl.question('Message ? ', (texte) => {
    ws.send(texte);
  });
});

ws.on('message', (data) => {
  console.log('Serveur : ' + data);
  rl.close();
  ws.close();
});
