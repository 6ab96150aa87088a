const pseudo = sessionStorage.getItem("pseudo") || "invité";
const ws = new WebSocket("ws://192.168.1.20:8765");
const fil = document.getElementById("fil"), m = document.getElementById("m");
ws.onopen = () => ws.send("Hello|" + pseudo);
ws.onmessage = (e) => { fil.innerText += e.data + "\n"; };
ws.onclose = () => { fil.innerText += "Serveur arrêté\n"; };
document.getElementById("f").onsubmit = (e) => { e.preventDefault(); ws.send(m.value); m.value = ""; };
