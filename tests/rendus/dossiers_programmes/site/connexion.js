export const ADRESSE = 'ws://127.0.0.1:5050';

export async function* messages(ws) {
  const file = [];
  let reveil = () => {};
  ws.addEventListener('message', (e) => { file.push(e.data); reveil(); });
  while (true) {
    while (file.length) yield file.shift();
    await new Promise((r) => { reveil = r; });
  }
}
