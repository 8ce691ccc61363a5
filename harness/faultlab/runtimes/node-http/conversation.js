'use strict';

// The conversation of ../README.md for the HTTP clients of Node: one line, one fetch, one answer.

/** An error and its causes, as util.inspect shows them: the name (of a DOMException it says more than its class), the code, the words. */
function failure(error, fields = {}) {
  const chain = [];
  for (let inner = error; inner instanceof Error; inner = inner.cause) chain.push(inner);
  const told = { ...fields, outcome: 'error', type: error.name, chain: chain.map(({ name }) => name), message: error.message };
  const code = chain.map((inner) => inner.code).find((found) => typeof found === 'string');
  if (code) told.errno = code;
  if (chain.length > 1) told.cause = chain.at(-1).message;
  return told;
}

function answered(status, body) {
  return { outcome: 'ok', status, bytes: body.length, data: body.length <= 1024 ? body.toString() : undefined };
}

function bodyOf({ data, size }) {
  return size === undefined ? data : 'x'.repeat(size);
}

const seconds = (milliseconds) => Math.round(milliseconds * 1000) / 1e6;

function say(thing) {
  process.stdout.write(`${JSON.stringify(thing)}\n`);
}

function converse(runtime, fetch) {
  async function perform(request) {
    const { id, op } = request;
    const began = performance.now();
    const unsupported = op !== 'fetch' ? 'an HTTP client can only fetch'
      : request.connect_deadline !== undefined ? 'there is no timer for connecting alone' : undefined;
    const answer = unsupported ? { outcome: 'unsupported', message: unsupported } : await fetch(request);
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

module.exports = { answered, bodyOf, converse, failure };
