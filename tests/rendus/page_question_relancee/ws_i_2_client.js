let socket = null;
function ouvrir() {
  const mot = window.prompt('Votre message');
  socket = new WebSocket('ws://localhost:8888/');
  socket.addEventListener('open', () => socket.send(mot));
  socket.addEventListener('message', ({ data }) => alert('Recu : ' + data));
}
if (document.visibilityState === 'visible') ouvrir();
