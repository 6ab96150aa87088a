const me = new URLSearchParams(location.search).get("name");
const socket = new WebSocket("ws://localhost:3000");
const say = (event, payload) => socket.send(JSON.stringify({ event, payload }));
socket.addEventListener("open", () => say("sign_in", { name: me }));
socket.addEventListener("message", ({ data }) => {
  const { event, payload } = JSON.parse(data);
  if (event === "roster") document.querySelector("#side").textContent = payload.members.join(", ");
  if (event === "post") {
    const p = document.createElement("p");
    p.className = payload.author === me ? "mine" : "";
    p.textContent = `${payload.author}: ${payload.body}`;
    document.querySelector("#posts").append(p);
  }
});
socket.addEventListener("close", () => { document.title = "Disconnected"; });
document.querySelector("#send").addEventListener("click", () => {
  const composer = document.querySelector("#composer");
  say("post", { body: composer.innerText.trim() });
  composer.innerText = "";
});
