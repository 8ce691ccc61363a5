'use strict';

// The conversation of ../README.md: requests on standard input, one JSON object a line, and an answer to each.

const seconds = (milliseconds) => Math.round(milliseconds * 1000) / 1e6;

function say(thing) {
  process.stdout.write(`${JSON.stringify(thing)}\n`);
}

/** Says it is there, and answers every request with the fields that `answerTo` gives for it. */
function converse(runtime, answerTo) {
  async function perform(request) {
    const { id, op } = request;
    const began = performance.now();
    const answer = await answerTo(request);
    const elapsed = performance.now() - began;
    say({ id, op, ...answer, t: seconds(performance.timeOrigin + began), elapsed: seconds(elapsed) });
  }

  let turn = Promise.resolve();
  let text = '';
  process.stdin.setEncoding('utf8');
  process.stdin.on('data', (chunk) => {
    const lines = (text + chunk).split('\n');
    text = lines.pop();
    for (const request of lines.map((line) => JSON.parse(line))) {
      turn = turn.then(() => {
        const done = perform(request);
        return request.background ? undefined : done;
      });
    }
  });
  process.stdin.on('end', () => turn.then(() => process.exit(0))); // what is still open, the system closes
  say({ v: 1, event: 'ready', runtime, version: process.versions.node });
}

module.exports = { converse };
