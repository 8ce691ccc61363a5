'use strict';

// The node:http driver: fetches what it is told to with http.request(), as the documentation shows it.

const http = require('node:http');
const { answered, bodyOf, converse, failure } = require('./conversation.js');

const agents = new Map();

/** An agent of its own for each session, with the options of the one that everybody uses. */
function agentOf(session) {
  if (!agents.has(session)) agents.set(session, new http.Agent(http.globalAgent.options));
  return agents.get(session);
}

function fetch(request) {
  return new Promise((resolve) => {
    const { url, method, deadline, sock } = request;
    const asking = http.request(url, { method, agent: agentOf(sock), timeout: deadline && deadline * 1000 });
    asking.on('timeout', () => asking.destroy()); // the event alone ends nothing: the documentation says to do this
    asking.on('error', (error) => resolve(failure(error)));
    asking.on('response', (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('error', (error) => {
        resolve(failure(error, { status: response.statusCode, bytes: Buffer.concat(pieces).length }));
      });
      response.on('end', () => resolve(answered(response.statusCode, Buffer.concat(pieces))));
    });
    asking.end(bodyOf(request));
  });
}

converse('node-http', fetch);
