'use strict';

// The fetch driver: fetches what it is told to with the global fetch(), which is undici. Its connections are the process's: a session
// of its own would need the package.

const { answered, bodyOf, converse, failure } = require('../node-http/conversation.js');

async function perform(request) {
  const { url, method, deadline } = request;
  const signal = deadline === undefined ? undefined : AbortSignal.timeout(deadline * 1000);
  let response;
  try {
    response = await fetch(url, { method, body: bodyOf(request), signal });
    return answered(response.status, Buffer.from(await response.arrayBuffer()));
  } catch (error) {
    return failure(error, response && { status: response.status });
  }
}

converse('node-fetch', perform);
