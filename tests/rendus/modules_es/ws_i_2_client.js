import { adresse } from "./reglages.js";

const ws = new WebSocket(adresse);
ws.binaryType = "arraybuffer";
document.querySelector("#f").addEventListener("submit", (e) => {
  e.preventDefault();
  ws.send(new TextEncoder().encode(e.target.m.value));
});
ws.onmessage = ({ data }) => {
  document.querySelector("#sortie").textContent += new TextDecoder().decode(data) + "\n";
};
