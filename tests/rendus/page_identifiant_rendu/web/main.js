import { open } from "./net.js";
const $ = (s) => document.querySelector(s);
const show = (text, cls = "bubble") => { const d = document.createElement("div"); d.className = cls; d.textContent = text; $("#log").append(d); };
let send;
function begin(name) {
  send = open("ws://127.0.0.1:4000", (m) => {
    if (m.t === "id") send({ t: "hi", u: name });
    if (m.t === "tx") show(`${m.u}: ${m.x}`);
    if (m.t === "sys") show(m.x, "sys");
  });
}
const saved = localStorage.getItem("name");
if (saved) begin(saved);
else $("#who").showModal();
$("#who").addEventListener("close", () => { localStorage.setItem("name", $("#u").value); begin($("#u").value); });
$("#bar").addEventListener("submit", (e) => { e.preventDefault(); send({ t: "tx", x: $("#x").value }); $("#x").value = ""; });
$("#x").addEventListener("keydown", (e) => { if (e.key === "Enter") { e.preventDefault(); $("#bar").requestSubmit(); } else send?.({ t: "typing" }); });
