const socket = new WebSocket("ws://localhost:8765");
socket.onopen = () => {
  process.stdout.write("Votre message : ");
  process.stdin.once("data", (d) => socket.send(d.toString().trim()));
};
socket.onmessage = (e) => console.log("=>", e.data);
