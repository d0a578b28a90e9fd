// HTTP on loopback to the lines of a server: what is posted is a line, and the line with the same
// id the answer. Arguments: the program and its own.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const [program, ...args] = process.argv.slice(2);
const server = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
const waiting = new Map();
createInterface({ input: server.stdout }).on("line", (line) => {
  const id = JSON.stringify(JSON.parse(line).id);
  waiting.get(id)?.(line);
  waiting.delete(id);
});
server.on("exit", () => process.exit());

const bridge = createServer(async (request, response) => {
  if (request.method !== "POST") return response.writeHead(405).end();
  let body = "";
  for await (const piece of request) body += piece;
  const message = JSON.parse(body);
  const answer = new Promise((answered) => waiting.set(JSON.stringify(message.id), answered));
  server.stdin.write(JSON.stringify(message) + "\n");
  if (message.id === undefined) return response.writeHead(202).end();
  response.writeHead(200, { "content-type": "application/json" }).end(await answer);
});
bridge.listen(0, "127.0.0.1", () => console.log(bridge.address().port));
// Whoever started it has gone.
process.stdin.on("end", () => server.kill()).resume();
