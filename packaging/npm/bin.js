#!/usr/bin/env node
// Starts the binary of this platform, which npm chose among the optional dependencies, and ends as
// it ends: with its status, or by the signal that ended it.
"use strict";

const { spawn } = require("node:child_process");
const { constants } = require("node:os");

const platform = `${process.platform}-${process.arch}`;
const file = process.platform === "win32" ? "ba-agent.exe" : "ba-agent";

function findBinary() {
  try {
    return require.resolve(`@ba-agent/${platform}/bin/${file}`);
  } catch {
    console.error(`error: the package @ba-agent/${platform} is not installed

hint: install again without \`--omit=optional\` or \`--no-optional\`
hint: for another platform use \`cargo install ba-agent\`: https://github.com/ba-agent/ba-agent`);
    process.exit(1);
  }
}

const binary = findBinary();
let child;

// Set up before the binary runs, so that no signal between the two ends this process alone. The
// terminal sends SIGINT to both; other signals reach this process only, and are passed on.
const passedOn = process.platform === "win32" ? [] : ["SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"];
process.on("SIGINT", () => {
  if (!process.stdin.isTTY) child.kill("SIGINT");
});
for (const signal of passedOn) process.on(signal, () => child.kill(signal));

child = spawn(binary, process.argv.slice(2), { stdio: "inherit" });
child.on("error", (error) => {
  console.error(`error: ba-agent cannot be started: ${error.message}`);
  process.exit(1);
});
child.on("exit", (status, signal) => {
  if (signal === null) process.exit(status);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // A signal that does not end node.
  setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 100);
});
