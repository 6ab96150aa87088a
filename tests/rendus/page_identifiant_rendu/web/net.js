export function open(url, on) {
  const ws = new WebSocket(url);
  let id = null;
  ws.onmessage = (e) => { const m = JSON.parse(e.data); if (m.t === "id") id = m.id; on(m); };
  ws.onclose = () => on({ t: "sys", x: "Connection lost" });
  return (m) => ws.send(JSON.stringify({ id, ...m }));
}
