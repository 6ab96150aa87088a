const WebSocket = require('ws');
const socket = new WebSocket('ws://192.168.1.12:13337');
const clavier = require('readline').createInterface({ input: process.stdin });

socket.on('message', (message) => console.log(message));
clavier.on('line', (ligne) => socket.send(ligne));
