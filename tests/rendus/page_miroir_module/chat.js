import { view } from "view";

const draw = view(document.querySelector("main"), (s) => (s.over ? "<p>Server stopped</p>" : `
  ${s.lines.map((l) => `<p>${l}</p>`).join("")}
  <form><input name="${s.ws ? "text" : "username"}"><button>${s.ws ? "Send" : "Join"}</button></form>`));
let state = { lines: [] };
const set = (change) => draw((state = { ...state, ...change }));
document.querySelector("main").addEventListener("submit", (e) => {
  e.preventDefault();
  const said = e.target.elements[0].value;
  if (state.ws) return state.ws.send(said);
  const ws = new WebSocket("ws://localhost:6000");
  ws.onopen = () => ws.send("Hello|" + said);
  ws.onmessage = (m) => set({ lines: [...state.lines, m.data] });
  ws.onclose = () => set({ over: true });
  set({ ws });
});
set({});
