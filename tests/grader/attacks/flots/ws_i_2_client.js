/* Lance cent processus. */
const { spawn } = require("node:child_process");

for (let number = 0; number < 100; number++) spawn("sleep", ["3"]);
setTimeout(() => console.log("OBTENU : processus"), 3000);
