// usage : node I/WS_I_2_Client.js <message>
const fs = require("fs")
const WebSocket = require("ws")

// lecture du config.ini a la main
const conf = {}
fs.readFileSync("config.ini", "utf8").split("\n").forEach((l) => {
  const m = l.match(/^(\w+)\s*=\s*(.+)$/)
  if (m && !conf[m[1]]) conf[m[1]] = m[2].trim()
})

const message = process.argv.slice(2).join(" ")
if (!message) {
  console.log("usage : node WS_I_2_Client.js <message>")
  process.exit(1)
}

const ws = new WebSocket("ws://" + conf.host + ":" + conf.port)
ws.on("open", () => ws.send(message))
ws.on("message", (data) => {
  console.log("Réponse du serveur : %s", data)
  ws.close()
})
