<?php

/* The PHP driver: performs the socket operations it reads from standard input, reports what came back on standard output.
 * The conversation is described in ../README.md.
 *
 * On the extension sockets, because it tells the errno of every call. Streams (stream_socket_client, fread, fwrite) give one for the
 * connect only: a reset is an empty string to fread(), and the number of a failed write stands in the words of a notice.
 *
 * PHP has one thread. What runs in the background is waited for with stream_select(), beside the requests, and is done when it is ready. */

declare(strict_types=1);

final class Unsupported extends Exception
{
}

/** Times the one call that an operation is about. */
final class Stopwatch
{
    public float $t;
    public float $elapsed = 0.0;

    public function __construct()
    {
        $this->t = microtime(true);
    }

    public function time(callable $call): mixed
    {
        error_clear_last();
        $this->t = microtime(true);
        $began = hrtime(true);
        try {
            return @$call();
        } finally {
            $this->elapsed += (hrtime(true) - $began) / 1e9;
        }
    }
}

const PLAIN_OPTIONS = [
    'user_timeout' => [SOL_TCP, 18], 'nodelay' => [SOL_TCP, TCP_NODELAY], 'defer_accept' => [SOL_TCP, 9],
    'reuseaddr' => [SOL_SOCKET, SO_REUSEADDR], 'reuseport' => [SOL_SOCKET, SO_REUSEPORT],
    'rcvbuf' => [SOL_SOCKET, SO_RCVBUF], 'sndbuf' => [SOL_SOCKET, SO_SNDBUF], 'v6only' => [IPPROTO_IPV6, IPV6_V6ONLY],
];
const KEEPALIVE = ['idle' => 4, 'interval' => 5, 'count' => 6];  // <linux/tcp.h>: the extension names few of these numbers

/** @var array<string, Socket> */
$sockets = [];
/** @var array<string, array<string, ?float>> the timers that were set: the select of the background keeps them, too */
$patience = [];
/** @var array<int, array{request: array, way: string, until: ?float, clock: Stopwatch, sent: int}> */
$waiting = [];

function find(array $request): Socket
{
    global $sockets;
    return $sockets[$request['sock']] ?? throw new Unsupported('no socket of that name was made');
}

function family_of(array $request): int
{
    if (($request['network'] ?? '') === 'unix') {
        return AF_UNIX;
    }
    $six = isset($request['family']) ? $request['family'] === 6 : str_contains($request['address'] ?? '', ':');
    return $six ? AF_INET6 : AF_INET;
}

/** What a call that returned false has to say: false again, and the number is where it belongs. */
function opened(array $request): Socket|false
{
    global $sockets;
    if (!isset($sockets[$request['sock']])) {
        $datagrams = in_array($request['type'] ?? $request['network'] ?? '', ['dgram', 'udp'], true);
        $sock = socket_create(family_of($request), $datagrams ? SOCK_DGRAM : SOCK_STREAM, 0);
        if ($sock === false) {
            return false;
        }
        $sockets[$request['sock']] = $sock;
    }
    foreach ($request['options'] ?? [] as $name => $value) {
        if (!set_option($sockets[$request['sock']], $name, $value)) {
            return false;
        }
    }
    return $sockets[$request['sock']];
}

function set_option(Socket $sock, string $name, mixed $value): bool
{
    if ($name === 'linger') {
        return socket_set_option($sock, SOL_SOCKET, SO_LINGER, ['l_onoff' => (int) ($value >= 0), 'l_linger' => max($value, 0)]);
    }
    if ($name === 'keepalive') {
        $good = socket_set_option($sock, SOL_SOCKET, SO_KEEPALIVE, (int) (bool) $value);
        foreach (is_array($value) ? $value : [] as $detail => $number) {
            $good = $good && socket_set_option($sock, SOL_TCP, KEEPALIVE[$detail], $number);
        }
        return $good;
    }
    if ($name === 'recverr') {
        $six = str_contains(local($sock)[0], ':');
        return socket_set_option($sock, $six ? IPPROTO_IPV6 : IPPROTO_IP, $six ? 25 : 11, (int) $value);  // <linux/in.h>
    }
    [$level, $number] = PLAIN_OPTIONS[$name] ?? throw new Unsupported('no such option');
    return socket_set_option($sock, $level, $number, is_bool($value) ? (int) $value : $value);
}

/** SO_RCVTIMEO and SO_SNDTIMEO, which is how programs with this extension keep time; no seconds at all take a timer off. */
function set_timer(Socket $sock, string $which, ?float $seconds): void
{
    $time = ['sec' => (int) $seconds, 'usec' => (int) round(fmod($seconds ?? 0.0, 1.0) * 1e6)];
    foreach (['recv' => SO_RCVTIMEO, 'send' => SO_SNDTIMEO] as $op => $number) {
        if ($which === $op || $which === 'both') {
            socket_set_option($sock, SOL_SOCKET, $number, $time);
        }
    }
}

function local(Socket $sock): array
{
    $port = 0;  // a path has none
    return @socket_getsockname($sock, $address, $port) ? [$address, $port] : ['', 0];
}

/** Both ends; a system that has forgotten the peer, as it has after a reset, gives no address. */
function ends(Socket $sock): array
{
    $port = 0;
    $remote = @socket_getpeername($sock, $address, $port) ? ['remote' => [$address, $port]] : [];
    return ['local' => local($sock), ...$remote];
}

/** How a call without waiting is done: where the request asks for it, or where something else waits meanwhile. */
function at_once(Socket $sock, bool $hurry, callable $call): mixed
{
    if (!$hurry) {
        return $call();
    }
    socket_set_nonblock($sock);
    try {
        return $call();
    } finally {
        socket_set_block($sock);
    }
}

// ---- operations ----------------------------------------------------------------------------------------------------
// Each returns the fields of its answer, or false where the call did, with the socket's error where it is to be found.

function op_resolve(array $request, Stopwatch $clock): array|false
{
    if (($request['family'] ?? 4) !== 4) {
        throw new Unsupported('gethostbynamel() knows IPv4 only');
    }
    $found = $clock->time(fn() => gethostbynamel($request['name']));
    return $found === false ? false : ['addresses' => $found];
}

function op_socket(array $request, Stopwatch $clock): array|false
{
    $sock = $clock->time(fn() => opened($request));
    if ($sock !== false && ($request['nonblocking'] ?? false)) {
        socket_set_nonblock($sock);
    }
    return $sock === false ? false : [];
}

function op_bind(array $request, Stopwatch $clock): array|false
{
    $sock = opened($request);
    return $clock->time(fn() => $sock && socket_bind($sock, $request['address'], $request['port'] ?? 0)) ? ['local' => local($sock)] : false;
}

function op_listen(array $request, Stopwatch $clock): array|false
{
    $sock = opened($request);
    $binds = $sock && isset($request['address']) && (local($sock)[1] === 0 || local($sock)[0] === '');
    $done = $clock->time(fn() => $sock && (!$binds || socket_bind($sock, $request['address'], $request['port'] ?? 0))
        && socket_listen($sock, $request['backlog'] ?? SOMAXCONN));
    return $done ? ['local' => local($sock)] : false;
}

function op_accept(array $request, Stopwatch $clock, bool $hurry): array|false
{
    global $sockets;
    $sock = find($request);
    if (isset($request['deadline'])) {
        set_timer($sock, 'recv', $request['deadline']);
    }
    $accepted = $clock->time(fn() => at_once($sock, $hurry, fn() => socket_accept($sock)));
    if (isset($request['deadline'])) {
        set_timer($sock, 'recv', null);
    }
    if ($accepted === false) {
        return false;
    }
    $sockets[$request['as']] = $accepted;
    return ends($accepted);
}

function op_connect(array $request, Stopwatch $clock, bool $hurry): array|false
{
    $sock = $clock->time(fn() => opened($request));
    if ($sock === false) {
        return false;
    }
    if (isset($request['local']) && !$clock->time(fn() => socket_bind($sock, ...$request['local']))) {
        return false;
    }
    if (isset($request['deadline'])) {
        set_timer($sock, 'send', $request['deadline']);
    }
    $port = family_of($request) === AF_UNIX ? null : $request['port'];
    $done = $clock->time(fn() => at_once($sock, $hurry, fn() => socket_connect($sock, $request['address'], $port)));
    if (isset($request['deadline'])) {
        set_timer($sock, 'send', null);
    }
    return $done ? ends($sock) : false;
}

function op_send(array $request, Stopwatch $clock, bool $hurry, int $sent = 0): array|false
{
    $data = $request['data'] ?? str_repeat('x', $request['size']);
    $sock = find($request);
    if (isset($request['to'])) {
        $n = $clock->time(fn() => socket_sendto($sock, $data, strlen($data), 0, ...$request['to']));
        return $n === false ? false : ['bytes' => $n];
    }
    do {  // once even for no bytes at all: a datagram may be empty
        $n = $clock->time(fn() => at_once($sock, $hurry, fn() => socket_write($sock, substr($data, $sent))));
        $sent += (int) $n;
    } while ($n !== false && $sent < strlen($data));
    return ['bytes' => $sent, ...($n === false ? failure($sock) : [])];
}

function op_recv(array $request, Stopwatch $clock, bool $hurry): array|false
{
    $sock = find($request);
    $data = '';
    $max = $request['max'] ?? 65536;
    $n = $clock->time(function () use ($sock, $max, $hurry, &$data) {
        return at_once($sock, $hurry, function () use ($sock, $max, &$data) {
            return socket_recv($sock, $data, $max, 0);
        });
    });
    if ($n === false) {
        return false;
    }
    if ($n === 0 && $max > 0 && socket_get_option($sock, SOL_SOCKET, SO_TYPE) === SOCK_STREAM) {
        return ['outcome' => 'eof'];
    }
    return ['bytes' => $n, ...($n <= 1024 ? ['data' => (string) $data] : [])];
}

function op_shutdown(array $request, Stopwatch $clock): array|false
{
    $how = ['rd' => 0, 'wr' => 1, 'rdwr' => 2][$request['how'] ?? 'wr'];
    return $clock->time(fn() => socket_shutdown(find($request), $how)) ? [] : false;
}

function op_close(array $request, Stopwatch $clock): array
{
    global $waiting;
    foreach ($waiting as $busy) {
        if ($busy['request']['sock'] === $request['sock']) {
            throw new Unsupported('one thread cannot close what it waits for');
        }
    }
    $clock->time(fn() => socket_close(find($request)));
    return [];
}

function op_option(array $request, Stopwatch $clock): array|false
{
    return $clock->time(fn() => set_option(find($request), $request['name'], $request['value'])) ? [] : false;
}

function op_deadline(array $request, Stopwatch $clock): array
{
    global $patience;
    $which = $request['which'] ?? 'both';
    $clock->time(fn() => set_timer(find($request), $which, $request['seconds'] ?? null));
    foreach ($which === 'both' ? ['recv', 'send'] : [$which] as $op) {
        $patience[$request['sock']][$op] = $request['seconds'] ?? null;
    }
    return [];
}

function op_error(array $request, Stopwatch $clock): array|false
{
    $number = $clock->time(fn() => socket_get_option(find($request), SOL_SOCKET, SO_ERROR));
    return $number === false ? false : ($number === 0 ? [] : ['errno' => $number]);
}

// ---- answers -------------------------------------------------------------------------------------------------------

/** A call that returned false: what it warned of, or the words of the number where it kept them to itself. */
function failure(?Socket $sock): array
{
    $number = ($sock === null ? 0 : socket_last_error($sock)) ?: socket_last_error();  // of an accept it is the new socket's, which nobody gets
    $warning = error_get_last()['message'] ?? null;
    $kind = $warning === null ? 'false' : 'E_WARNING';
    $words = $warning ?? ($number === 0 ? '' : socket_strerror($number));
    return ['outcome' => 'error', ...($number > 0 ? ['errno' => $number] : []),  // below 0 it is the resolver's
        'type' => $kind, 'chain' => [$kind], 'message' => $words];
}

function perform(array $request, Stopwatch $clock, mixed ...$more): array
{
    global $sockets;
    $op = "op_{$request['op']}";
    try {
        if (!function_exists($op)) {
            throw new Unsupported('no such operation');
        }
        socket_clear_error();
        $answer = $op($request, $clock, ...$more);
        return $answer === false ? failure($sockets[$request['sock'] ?? ''] ?? null) : $answer;
    } catch (Unsupported $why) {
        return ['outcome' => 'unsupported', 'message' => $why->getMessage()];
    } catch (Error $error) {  // of a closed socket, or an argument
        return ['outcome' => 'error', 'type' => $error::class, 'chain' => [$error::class], 'message' => $error->getMessage()];
    }
}

function answer(array $request, Stopwatch $clock, array $fields): void
{
    say(['id' => $request['id'], 'op' => $request['op'], 'outcome' => 'ok', ...$fields,
        't' => round($clock->t, 6), 'elapsed' => round($clock->elapsed, 6)]);
}

function say(array $answer): void
{
    fwrite(STDOUT, json_encode($answer, JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES | JSON_THROW_ON_ERROR) . "\n");
}

const AGAIN = [SOCKET_EAGAIN, SOCKET_EINPROGRESS];

/** Begin something that the requests do not wait for: at once what can be done at once, the rest when the socket is ready. */
function begin(array $request): void
{
    global $patience, $waiting;
    $clock = new Stopwatch();
    $seconds = $request['deadline'] ?? $patience[$request['sock']][$request['op']] ?? null;
    $way = in_array($request['op'], ['connect', 'send'], true) ? 'write' : 'read';
    $waiting[] = ['request' => $request, 'way' => $way, 'until' => $seconds === null ? null : $clock->t + $seconds,
        'clock' => $clock, 'sent' => 0];
    go_on(array_key_last($waiting), false);
}

/** Try again; a call that would still have to wait stays, until its time is over. */
function go_on(int $key, bool $over): void
{
    global $waiting;
    ['request' => $request, 'clock' => $clock, 'sent' => $sent] = $waiting[$key];
    $began = $clock->t;
    unset($request['deadline']);
    if ($sent > 0 || isset($waiting[$key]['connecting'])) {
        unset($request['local'], $request['options']);
    }
    $fields = perform($request, $clock, true, ...($request['op'] === 'send' ? [$sent] : []));
    $clock->t = $began;
    if (!$over && ($fields['outcome'] ?? 'ok') === 'error' && in_array($fields['errno'] ?? 0, AGAIN, true)) {
        $waiting[$key]['sent'] = $fields['bytes'] ?? 0;
        $waiting[$key]['connecting'] = true;
        return;
    }
    unset($waiting[$key]);
    $clock->elapsed = microtime(true) - $began;
    answer($request, $clock, $fields);
}

say(['v' => 1, 'event' => 'ready', 'runtime' => 'php', 'version' => PHP_VERSION]);
while (true) {
    $sets = ['read' => [-1 => STDIN], 'write' => []];
    $until = INF;
    foreach ($waiting as $key => $busy) {
        $sets[$busy['way']][$key] = socket_export_stream(find($busy['request']));
        $until = min($until, $busy['until'] ?? INF);
    }
    $left = max(0.0, $until - microtime(true));
    $none = null;
    stream_select($sets['read'], $sets['write'], $none, is_infinite($left) ? null : (int) $left, is_infinite($left) ? null : (int) (fmod($left, 1.0) * 1e6));
    $ready = $sets['read'] + $sets['write'];
    foreach (array_keys($waiting) as $key) {
        $over = $waiting[$key]['until'] !== null && microtime(true) >= $waiting[$key]['until'];
        if ($over || isset($ready[$key])) {
            go_on($key, $over);
        }
    }
    if (isset($ready[-1])) {
        $line = fgets(STDIN);
        if ($line === false) {
            exit(0);
        }
        $request = json_decode($line, true, 64, JSON_THROW_ON_ERROR);
        if ($request['background'] ?? false) {
            begin($request);
        } else {
            $clock = new Stopwatch();
            answer($request, $clock, perform($request, $clock, $request['nonblocking'] ?? false));
        }
    }
}
