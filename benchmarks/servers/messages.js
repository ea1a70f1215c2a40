// Two processes of Node's cluster that send a message back and forth.
//
// Usage: node messages.js OUTSTANDING SIZE COUNT
//
// Prints JSON: how many seconds COUNT round trips took with OUTSTANDING of them
// under way, and how many seconds of processor time the primary used.
'use strict';

const cluster = require('cluster');

if (cluster.isPrimary) {
  const [outstanding, size, count] = process.argv.slice(2).map(Number);
  const message = { n: 1, s: 'x'.repeat(size) };
  const worker = cluster.fork();
  let received = 0;
  let begun;
  let used;
  worker.on('online', () => {
    begun = process.hrtime.bigint();
    used = process.cpuUsage();
    for (let i = 0; i < outstanding; i++) worker.send(message);
  });
  worker.on('message', () => {
    received++;
    if (received === count) {
      const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
      const { user, system } = process.cpuUsage(used);
      console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6 }));
      worker.process.kill();
      process.exit(0);
    } else if (received <= count - outstanding) {
      worker.send(message);
    }
  });
} else {
  process.on('message', (message) => process.send(message));
}
