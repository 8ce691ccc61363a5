'use strict';

// The Node driver: an ordinary program on the modules net, dns and dgram. It does what it is told, one JSON object a
// line, and says word for word what came of it; the protocol is ../README.md.
//
// Node has no read call to answer a `recv` with. It reads in the background from the moment a socket is connected and
// tells by events what it found, so a program learns of a reset at once, though it be idle or writing. The driver keeps
// the events of a socket in the order in which they came, and `recv` takes the oldest that has not been told:
//
//   'data'   the bytes                 'end'    eof, now and ever after
//   'error'  the error                 'close'  the same: the program, or Node after an error or an end, closed it
//
// The error that a `send` was answered with is emitted as 'error' too. It is told once.

const net = require('net');
const { constants } = require('os');

const { converse } = require('./conversation.js');

const EOF = { outcome: 'eof' };
const OK = { outcome: 'ok' };
const TIMEOUT = { outcome: 'timeout' };

class Unsupported extends Error {}

// --- what is told --------------------------------------------------------------------------------------------------

const told = new WeakSet();

function failure(error) {
  told.add(error);
  const { code, message } = error;
  const chain = [];
  for (let e = error; e; e = e.errors?.[0] ?? e.cause) chain.push(e.constructor.name);
  return { outcome: 'error', errno: code, type: chain[0], chain, message };
}

/** A system that has forgotten the peer, as it has after a reset, gives no address. */
function endpoint(address, port) {
  return address && [address, port];
}

/** Things that happen when they please, each given once and in order to those who ask. */
class Inbox {
  things = [];
  asking = [];

  put(thing) {
    if (this.asking.length > 0) this.asking.shift()(thing);
    else this.things.push(thing);
  }

  ask() {
    if (this.things.length > 0) return this.things.shift();
    return this.last ?? new Promise((resolve) => this.asking.push(resolve));
  }

  /** Those who are asking now get this instead. */
  answer(thing) {
    for (const resolve of this.asking.splice(0)) resolve(thing);
  }

  /** Nothing more will happen: those who ask from now on get this. */
  finish(thing) {
    this.last = thing;
    this.answer(thing);
  }
}

// --- sockets -------------------------------------------------------------------------------------------------------

/** A net.Socket, and what happened to it. */
class Connection {
  kind = 'Socket';
  inbox = new Inbox();
  dialled = null; // answers the `connect` under way
  writing = new Set(); // answer the `send`s under way
  linger = -1;
  patience = 0; // milliseconds

  constructor(socket) {
    this.socket = socket;
    socket.on('connect', () => this.dialled({ ...OK, ...this.endpoints() }));
    socket.on('data', (chunk) => this.inbox.put(chunk));
    socket.on('end', () => this.inbox.finish(EOF));
    socket.on('error', (error) => {
      if (this.dialled) this.dialled(failure(error));
      else if (!told.has(error)) this.inbox.put(error);
    });
    socket.on('timeout', () => this.timedOut());
    socket.on('close', () => {
      this.dialled?.(EOF);
      this.inbox.finish(EOF);
    });
  }

  endpoints() {
    const { localAddress, localPort, remoteAddress, remotePort } = this.socket;
    return { local: endpoint(localAddress, localPort), remote: endpoint(remoteAddress, remotePort) };
  }

  connect(request) {
    this.inbox = new Inbox(); // a socket that was closed may be connected anew
    return new Promise((resolve) => {
      this.dialled = (answer) => {
        this.dialled = null;
        this.setTimeout(0);
        resolve(answer);
      };
      this.dial(request);
      if (request.deadline) this.setTimeout(request.deadline * 1000);
    });
  }

  dial({ address, port, network, local: [localAddress, localPort] = [] }) {
    this.socket.connect(network === 'unix' ? { path: address } : { host: address, port, localAddress, localPort });
  }

  /** 'timeout' says that nothing moved for so long, and no more: what follows is up to the program. */
  timedOut() {
    if (this.dialled) {
      this.dialled(TIMEOUT);
      this.destroy();
    } else {
      this.inbox.answer(TIMEOUT);
      for (const resolve of this.writing) resolve(TIMEOUT);
    }
  }

  /** Node's timer runs from whatever moved last, and rings once: it is set afresh for each wait. */
  arm() {
    if (this.patience > 0) this.setTimeout(this.patience);
  }

  /** What the callback of a write or an end is given, or 'timeout' where that comes first. */
  written(call, answer) {
    this.arm();
    return new Promise((resolve) => {
      this.writing.add(resolve);
      call((error) => {
        this.writing.delete(resolve);
        resolve(error ? failure(error) : answer);
      });
    });
  }

  send(data, to) {
    return this.written((done) => this.write(data, done, to), { ...OK, bytes: data.length });
  }

  async recv(max) {
    this.arm();
    let thing = await this.inbox.ask();
    while (told.has(thing)) thing = await this.inbox.ask();
    if (thing instanceof Error) return failure(thing);
    if (!Buffer.isBuffer(thing)) return thing;
    if (thing.length > max) this.inbox.things.unshift(thing.subarray(max));
    const chunk = thing.subarray(0, max);
    return { ...OK, bytes: chunk.length, data: chunk.length <= 1024 ? chunk.toString() : undefined };
  }

  shutdown(how) {
    if (how !== 'wr') throw new Unsupported('a net.Socket can end() its writing side only');
    return this.written((done) => {
      this.socket.end(done);
      if (this.socket.destroyed) setImmediate(done); // after destroy() Node never calls back
    }, OK);
  }

  close() {
    if (this.linger === 0) this.socket.resetAndDestroy();
    else this.destroy();
    return OK;
  }

  deadline(seconds) {
    this.patience = (seconds ?? 0) * 1000;
    this.setTimeout(this.patience);
    return OK;
  }

  option(name, value) {
    if (name === 'nodelay') {
      this.socket.setNoDelay(value);
    } else if (name === 'keepalive' && (value.interval === undefined || this.socket.setKeepAlive.length === 4)) {
      const { idle = 0, interval, count } = value;
      this.socket.setKeepAlive(value !== false, idle * 1000, interval && interval * 1000, count); // Node 20: two only
    } else if (name === 'linger' && value <= 0) {
      this.linger = value; // no SO_LINGER in Node, but resetAndDestroy() does what linger 0 is used for
    } else {
      throw new Unsupported(`net.Socket has no ${name} ${JSON.stringify(value)}`);
    }
    return OK;
  }

  destroy() { this.socket.destroy(); }
  setTimeout(milliseconds) { this.socket.setTimeout(milliseconds); }
  write(data, done) { this.socket.write(data, done); }
}

/** The same with a dgram.Socket, which has no timer: the program brings its own. */
class Datagrams extends Connection {
  constructor(socket) {
    super(socket);
    socket.on('message', (message) => this.inbox.put(message));
  }

  endpoints() {
    const [local, remote] = [this.socket.address(), this.socket.remoteAddress()];
    return { local: [local.address, local.port], remote: [remote.address, remote.port] };
  }

  bind({ address, port }) {
    return new Promise((resolve) => {
      this.dialled = (answer) => {
        this.dialled = null;
        resolve(answer);
      };
      this.socket.bind(port, address, () => {
        const bound = this.socket.address();
        this.dialled({ ...OK, local: [bound.address, bound.port] });
      });
    });
  }

  dial({ address, port, local }) {
    if (local) this.socket.bind(local[1], local[0], () => this.socket.connect(port, address));
    else this.socket.connect(port, address);
  }

  shutdown() { throw new Unsupported('a dgram.Socket has no end()'); }
  option(name) { throw new Unsupported(`dgram.Socket has no ${name}`); }
  destroy() { this.socket.close(); }

  write(data, done, [address, port] = []) {
    if (address) this.socket.send(data, port, address, done);
    else this.socket.send(data, done);
  }

  setTimeout(milliseconds) {
    clearTimeout(this.timer);
    if (milliseconds > 0) this.timer = setTimeout(() => this.timedOut(), milliseconds);
  }
}

/** A net.Server, and the connections nobody has asked for yet. */
class Listener {
  kind = 'Server';
  inbox = new Inbox();

  constructor(server) {
    this.server = server;
    server.on('connection', (socket) => {
      const connection = new Connection(socket);
      this.inbox.put({ connection, ...connection.endpoints() });
    });
    server.on('error', (error) => { if (!told.has(error)) this.inbox.put(failure(error)); });
  }

  listen({ address, port, network, backlog, options }) {
    const where = network === 'unix' ? { path: address } : { host: address, port, ipv6Only: options?.v6only };
    return new Promise((resolve) => {
      const failed = (error) => resolve(failure(error));
      this.server.prependOnceListener('error', failed);
      this.server.listen({ ...where, backlog }, () => {
        this.server.off('error', failed);
        const bound = this.server.address();
        resolve({ ...OK, local: endpoint(bound.address, bound.port) });
      });
    });
  }

  connect() { throw new Unsupported('a net.Server has no connect()'); }

  async accept(deadline) {
    const timer = deadline && setTimeout(() => this.inbox.answer(TIMEOUT), deadline * 1000);
    const thing = await this.inbox.ask();
    clearTimeout(timer);
    return thing;
  }

  close() {
    this.server.close();
    this.inbox.finish(EOF); // not by the event 'close', which waits for every connection to end
    return OK;
  }
}

// --- the operations ------------------------------------------------------------------------------------------------

const sockets = new Map();

function create({ network, address, half_open: allowHalfOpen }) {
  if (network !== 'udp') return new Connection(new net.Socket({ allowHalfOpen }));
  const type = net.isIPv6(address) ? 'udp6' : 'udp4';
  return new Datagrams(require('dgram').createSocket(type));
}

/** What has that name and can do it: a net.Server cannot send. */
function able(op, sock) {
  const found = sockets.get(sock);
  if (found && !(op in found)) throw new Unsupported(`a net.${found.kind} has no ${op}`);
  return found;
}

const operations = {
  resolve({ name, family }) {
    return new Promise((resolve) => {
      require('dns').lookup(name, { all: true, family }, (error, found) => {
        resolve(error ? failure(error) : { ...OK, addresses: found.map(({ address }) => address) });
      });
    });
  },

  connect(request) {
    if (request.network === 'unix' && request.type) throw new Unsupported('Node has no Unix datagrams');
    const connection = able('connect', request.sock) ?? create(request);
    for (const [name, value] of Object.entries(request.options ?? {})) connection.option(name, value);
    sockets.set(request.sock, connection);
    return connection.connect(request);
  },

  listen(request) {
    const foreign = Object.keys(request.options ?? {}).find((name) => name !== 'v6only');
    if (foreign) throw new Unsupported(`server.listen() has no ${foreign}`);
    const listener = new Listener(net.createServer({ allowHalfOpen: request.half_open }));
    sockets.set(request.sock, listener);
    return listener.listen(request);
  },

  async accept({ sock, as, deadline, half_open: halfOpen }) {
    const { connection, ...rest } = await able('accept', sock).accept(deadline);
    if (!connection) return rest;
    if (halfOpen) connection.socket.allowHalfOpen = true;
    sockets.set(as, connection);
    return { ...OK, ...rest };
  },

  send: ({ sock, size, data = 'x'.repeat(size), to }) => able('send', sock).send(Buffer.from(data), to),
  recv: ({ sock, max = 65536 }) => able('recv', sock).recv(max),
  shutdown: ({ sock, how }) => able('shutdown', sock).shutdown(how),
  close: ({ sock }) => able('close', sock).close(),
  option: ({ sock, name, value }) => able('option', sock).option(name, value),
  deadline: ({ sock, seconds }) => able('deadline', sock).deadline(seconds),

  handle({ signal }) {
    const [name] = Object.entries(constants.signals).find(([, number]) => number === signal);
    process.on(name, () => {});
    return OK;
  },

  socket() { throw new Unsupported('a net.Socket has no descriptor before connect()'); },
  bind(request) {
    if (request.network !== 'udp') throw new Unsupported('net binds only on the way to connect() or listen()');
    sockets.set(request.sock, create(request));
    return sockets.get(request.sock).bind(request);
  },
  error() { throw new Unsupported('net has no getsockopt()'); },
};

// --- the conversation ----------------------------------------------------------------------------------------------

converse('node', async (request) => {
  try {
    if (!Object.hasOwn(operations, request.op)) throw new Unsupported(`no operation ${request.op}`);
    return await operations[request.op](request);
  } catch (error) {
    return error instanceof Unsupported ? { outcome: 'unsupported', message: error.message } : failure(error);
  }
});
