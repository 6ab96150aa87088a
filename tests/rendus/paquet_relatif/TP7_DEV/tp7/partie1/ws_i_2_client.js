// meme client qu'au I.1 mais en JS
const fs = require('fs');
const WebSocket = require('ws');

// on reprend le config.ini du python
const ini = fs.readFileSync('config.ini', 'utf8');
const section = ini.split('[redis]')[0];
const adresse = section.match(/^adresse\s*=\s*(.+)$/m)[1].trim();
const port = section.match(/^port\s*=\s*(\d+)/m)[1];

const ws = new WebSocket(`ws://${adresse}:${port}`);

ws.on('open', () => {
    process.stdout.write('Ta phrase : ');
    process.stdin.setEncoding('utf8');
    process.stdin.on('data', (saisie) => {
        ws.send(saisie.trim());
    });
});

ws.on('message', (donnees) => {
    console.log(donnees.toString());
    ws.close();
});

ws.on('close', () => process.exit(0));
ws.on('error', (e) => {
    console.error('Erreur : ' + e.message);
    process.exit(1);
});
