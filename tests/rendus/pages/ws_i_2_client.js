let ws;
function connexion() {
  ws = new WebSocket("ws://" + document.getElementById("serveur").value + ":" + document.getElementById("port").value);
  ws.onopen = () => { document.getElementById("b").disabled = false; };
  ws.onmessage = (e) => { document.getElementById("recu").value += e.data + "\n"; };
}
function envoyer() { ws.send(document.getElementById("texte").value); }
