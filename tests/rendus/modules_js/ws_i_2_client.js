const socket = new WebSocket("ws://10.33.70.1:13337");
socket.addEventListener("open", () => {
  const msg = prompt("Entrez un message :");
  socket.send(msg);
});
socket.addEventListener("message", (event) => alert("Recu : " + event.data));
