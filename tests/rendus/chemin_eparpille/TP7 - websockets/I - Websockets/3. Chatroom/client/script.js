const $ = document.querySelector.bind(document);
$("#qui form").addEventListener("submit", () => {
  const nom = encodeURIComponent($("#n").value);
  const ws = new WebSocket("ws://127.0.0.1:8001/" + nom);
  const ajoute = (t) => { const li = document.createElement("li"); li.textContent = t; $("#fil").append(li); };
  ws.onopen = () => { $("main").hidden = false; };
  ws.onmessage = (e) => ajoute(e.data);
  ws.onclose = ws.onerror = () => ajoute("** plus de serveur **");
  $("#parle").addEventListener("submit", (e) => { e.preventDefault(); ws.send($("#m").value); ajoute("moi: " + $("#m").value); $("#m").value = ""; });
});
