'use strict';

// What the HTTP clients of Node have in common.

const conversation = require('../node/conversation.js');

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

function converse(runtime, fetch) {
  conversation.converse(runtime, async (request) => {
    const unsupported = request.op !== 'fetch' ? 'an HTTP client can only fetch'
      : request.connect_deadline !== undefined ? 'there is no timer for connecting alone' : undefined;
    return unsupported ? { outcome: 'unsupported', message: unsupported } : fetch(request);
  });
}

module.exports = { answered, bodyOf, converse, failure };
