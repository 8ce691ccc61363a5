# frozen_string_literal: true

# The Ruby driver: performs the socket operations it reads from standard input, reports what came back on standard output.
# The conversation is described in ../README.md.
#
# Socket.tcp dials and TCPServer listens, as most programs do; whoever wants options goes step by step with class Socket, and so does
# this. Reads and writes are IO's (readpartial, write), datagrams are UDPSocket's (recv, send).

require 'json'
require 'socket'

# Ruby has no such operation, or the driver does not know it.
class Unsupported < StandardError; end

# The program's own timer ran out: wait_readable and its like return nil, and nobody raises anything.
class Waited < StandardError; end

PLAIN_OPTIONS = {
  'user_timeout' => %i[TCP USER_TIMEOUT], 'nodelay' => %i[TCP NODELAY], 'defer_accept' => %i[TCP DEFER_ACCEPT],
  'reuseaddr' => %i[SOCKET REUSEADDR], 'reuseport' => %i[SOCKET REUSEPORT], 'rcvbuf' => %i[SOCKET RCVBUF],
  'sndbuf' => %i[SOCKET SNDBUF], 'v6only' => %i[IPV6 V6ONLY]
}.freeze
KEEPALIVE = { 'idle' => :KEEPIDLE, 'interval' => :KEEPINTVL, 'count' => :KEEPCNT }.freeze
IP_RECVERR = 11 # <linux/in.h>
IPV6_RECVERR = 25

SOCKETS = {}
PATIENCE = Hash.new { |all, name| all[name] = {} } # seconds that the program waits for a `recv` or a `send`
HURRIED = {} # sockets whose calls do not wait at all
OUTPUT = Mutex.new

# Times the one call that an operation is about.
class Stopwatch
  attr_reader :t, :elapsed

  def initialize
    @t = Time.now.to_f
    @elapsed = 0.0
  end

  def time
    @t = Time.now.to_f
    began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    yield
  ensure
    @elapsed = Process.clock_gettime(Process::CLOCK_MONOTONIC) - began
  end
end

def find(request)
  SOCKETS[request['sock']] or raise Unsupported, 'no socket of that name was made'
end

def hurried?(request)
  request['nonblocking'] || HURRIED[request['sock']]
end

def datagrams?(request)
  %w[dgram udp].include?(request['type'] || request['network'])
end

def unix?(request)
  request['network'] == 'unix'
end


def family_of(request)
  return :UNIX if unix?(request)
  return request['family'] == 6 ? :INET6 : :INET if request['family']

  request.fetch('address', '').include?(':') ? :INET6 : :INET
end

def sockaddr(request)
  return Socket.sockaddr_un(request['address']) if unix?(request)

  Socket.sockaddr_in(request['port'] || 0, request['address'])
end

# What getsockname(2) or getpeername(2) said, as the lab wants it: a path has no port.
def endpoint(address)
  address.unix? ? [address.unix_path, 0] : [address.ip_address, address.ip_port]
end

# Both ends; a system that has forgotten the peer, as it has after a reset, gives no address.
def endpoints(sock)
  { local: endpoint(sock.local_address), remote: endpoint(sock.remote_address) }
rescue SystemCallError
  { local: endpoint(sock.local_address) }
end

# The socket that the request names, made if there is none, with the options it asks for.
def opened(request)
  sock = SOCKETS[request['sock']] ||=
    if request['network'] == 'udp'
      UDPSocket.new(family_of(request))
    else
      Socket.new(family_of(request), datagrams?(request) ? :DGRAM : :STREAM)
    end
  request.fetch('options', {}).each { |name, value| set_option(sock, name, value) }
  sock
end

def set_option(sock, name, value)
  case name
  when 'linger'
    sock.setsockopt(Socket::Option.linger(value >= 0, [value, 0].max))
  when 'keepalive'
    sock.setsockopt(:SOCKET, :KEEPALIVE, value ? true : false)
    (value.is_a?(Hash) ? value : {}).each { |detail, number| sock.setsockopt(:TCP, KEEPALIVE.fetch(detail), number) }
  when 'recverr'
    six = sock.local_address.ipv6?
    sock.setsockopt(six ? :IPV6 : :IP, six ? IPV6_RECVERR : IP_RECVERR, value)
  else
    level, number = PLAIN_OPTIONS[name] || raise(Unsupported, 'no such option')
    sock.setsockopt(level, number, value)
  end
end

def waits(sock, how, seconds)
  raise Waited if seconds && !sock.public_send(how, seconds)
end

# ---- operations ----------------------------------------------------------------------------------------------------

def op_resolve(request, clock)
  family = { 4 => :INET, 6 => :INET6 }[request['family']]
  found = clock.time { Addrinfo.getaddrinfo(request['name'], nil, family, :STREAM) }
  { addresses: found.map(&:ip_address) }
end

def op_socket(request, clock)
  clock.time { opened(request) }
  HURRIED[request['sock']] = true if request['nonblocking']
  {}
end

def op_bind(request, clock)
  sock = opened(request)
  clock.time do
    sock.is_a?(UDPSocket) ? sock.bind(request['address'], request['port']) : sock.bind(sockaddr(request))
  end
  { local: endpoint(sock.local_address) }
end

def op_listen(request, clock)
  known = SOCKETS[request['sock']]
  clock.time do
    if known || request['options']
      sock = opened(request)
      sock.bind(sockaddr(request)) if request['address'] && endpoint(sock.local_address)[1].zero? # not bound yet
    else
      sock = unix?(request) ? UNIXServer.new(request['address']) : TCPServer.new(request['address'], request['port'])
      SOCKETS[request['sock']] = sock
    end
    # TCPServer and UNIXServer listen already: listening again is how their backlog is set.
    sock.listen(request['backlog'] || Socket::SOMAXCONN) if sock.is_a?(Socket) || request['backlog']
  end
  { local: endpoint(SOCKETS[request['sock']].local_address) }
end

def op_accept(request, clock)
  sock = find(request)
  accepted = clock.time do
    waits(sock, :wait_readable, request['deadline'])
    hurried?(request) ? sock.accept_nonblock : sock.accept
  end
  accepted = accepted.first if accepted.is_a?(Array) # a Socket gives the address, too
  SOCKETS[request['as']] = accepted
  endpoints(accepted)
end

def op_connect(request, clock)
  raise Unsupported, 'a server has no connect' if SOCKETS[request['sock']].is_a?(TCPServer)

  local = request['local'] || []
  fresh = !SOCKETS.key?(request['sock']) && request.keys.none? { |key| %w[options network nonblocking].include?(key) }
  clock.time do
    if fresh
      more = { connect_timeout: request['deadline'] }.compact
      SOCKETS[request['sock']] = Socket.tcp(request['address'], request['port'], *local, **more)
    elsif unix?(request) && !datagrams?(request) && !request['nonblocking'] && !SOCKETS.key?(request['sock'])
      SOCKETS[request['sock']] = UNIXSocket.new(request['address'])
    else
      step_by_step(opened(request), request, local)
    end
  end
  endpoints(SOCKETS[request['sock']])
end

def step_by_step(sock, request, local)
  if sock.is_a?(UDPSocket)
    sock.bind(*local) unless local.empty?
    return sock.connect(request['address'], request['port'])
  end
  sock.bind(Socket.sockaddr_in(*local.reverse)) unless local.empty?
  address = sockaddr(request)
  return sock.connect_nonblock(address) if hurried?(request)
  return sock.connect(address) unless request['deadline']
  return unless sock.connect_nonblock(address, exception: false) == :wait_writable

  waits(sock, :wait_writable, request['deadline'])
  sock.connect(address)
end

def op_send(request, clock)
  data = request['data'] || 'x' * request['size']
  sock = find(request)
  patience = PATIENCE[request['sock']]['send']
  sent = clock.time do
    if request['to']
      sock.send(data, 0, *request['to'])
    elsif sock.is_a?(UDPSocket)
      sock.send(data, 0)
    elsif hurried?(request)
      sock.write_nonblock(data)
    elsif patience
      write_within(sock, data, patience)
    else
      sock.write(data)
    end
  end
  { bytes: sent }
end

def write_within(sock, data, patience)
  sent = 0
  while sent < data.bytesize
    more = sock.write_nonblock(data.byteslice(sent..), exception: false)
    more == :wait_writable ? waits(sock, :wait_writable, patience) : sent += more
  end
  sent
end

def op_recv(request, clock)
  sock = find(request)
  max = request['max'] || 65_536
  data = clock.time do
    waits(sock, :wait_readable, PATIENCE[request['sock']]['recv'])
    if request['line'] then sock.gets
    elsif hurried?(request) then sock.read_nonblock(max)
    elsif sock.is_a?(UDPSocket) then sock.recv(max)
    else sock.readpartial(max)
    end
  end
  return { outcome: 'eof' } if data.nil?

  text = data.bytesize <= 1024 ? { data: data.dup.force_encoding('UTF-8').scrub } : {}
  { bytes: data.bytesize, **text }
end

def op_shutdown(request, clock)
  sock = find(request)
  clock.time { sock.shutdown({ 'rd' => :RD, 'wr' => :WR, 'rdwr' => :RDWR }.fetch(request['how'] || 'wr')) }
  {}
end

def op_close(request, clock)
  sock = find(request)
  clock.time { sock.close }
  {}
end

def op_option(request, clock)
  sock = find(request)
  clock.time { set_option(sock, request['name'], request['value']) }
  {}
end

# How long the program waits before it reads or writes: what IO#timeout= does since Ruby 3.2 is in nobody's older program.
def op_deadline(request, clock)
  sock = find(request)
  clock.time { raise IOError, 'closed stream' if sock.closed? }
  which = request['which'] || 'both'
  (which == 'both' ? %w[recv send] : [which]).each { |op| PATIENCE[request['sock']][op] = request['seconds'] }
  {}
end

def op_error(request, clock)
  sock = find(request)
  number = clock.time { sock.getsockopt(:SOCKET, :ERROR).int }
  number.zero? ? {} : { errno: number }
end

def op_handle(request, clock)
  raise Unsupported, 'Signal.trap leaves no choice' if request['restart']

  clock.time { Signal.trap(request['signal']) {} }
  {}
end

# ---- answers -------------------------------------------------------------------------------------------------------

def describe(error)
  chain = []
  cause = error
  while cause
    chain << cause.class.name
    cause = cause.cause
  end
  number = error.is_a?(SystemCallError) ? { errno: error.errno } : {}
  { outcome: 'error', **number, type: chain.first, chain: chain, message: error.message }
end

def serve(request)
  clock = Stopwatch.new
  begin
    perform = "op_#{request['op']}"
    raise Unsupported, 'no such operation' unless Object.private_method_defined?(perform)

    answer = { outcome: 'ok', **send(perform, request, clock) }
  rescue Unsupported => e
    answer = { outcome: 'unsupported', message: e.message }
  rescue Waited
    answer = { outcome: 'timeout' }
  rescue EOFError
    answer = { outcome: 'eof' }
  rescue SystemCallError, SocketError, IOError, ArgumentError => e
    answer = describe(e)
  end
  say({ id: request['id'], op: request['op'], t: clock.t.round(6), elapsed: clock.elapsed.round(6), **answer })
end

def say(answer)
  OUTPUT.synchronize do
    $stdout.write("#{JSON.generate(answer)}\n")
    $stdout.flush
  end
end

say({ v: 1, event: 'ready', runtime: 'ruby', version: RUBY_VERSION })
while (line = $stdin.gets)
  request = JSON.parse(line)
  request['background'] ? Thread.new(request) { |asked| serve(asked) } : serve(request)
end
exit!(0) # whatever still runs in the background ends with the program
