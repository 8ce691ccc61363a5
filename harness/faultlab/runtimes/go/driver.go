// From Go 1.24 on, net.Listen opens Multipath TCP sockets. The lab observes
// plain TCP: the errors are the same, but strace, ss and the handshake are not.
//
//go:debug multipathtcp=0

// The Go driver of faultlab: it performs socket operations with package net,
// as an ordinary program does, and reports what came back.
// The conversation is described in ../README.md.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

type request struct {
	ID         int            `json:"id"`
	Op         string         `json:"op"`
	Background bool           `json:"background"`
	Network    string         `json:"network"` // as package net calls it; "tcp" unless said
	Sock       string         `json:"sock"`
	As         string         `json:"as"`
	Address    string         `json:"address"` // a path if the network is "unix"
	Port       int            `json:"port"`
	Local      *endpoint      `json:"local"`
	To         *endpoint      `json:"to"`
	Type       string         `json:"type"`
	Deadline   *float64       `json:"deadline"`
	Backlog    *int           `json:"backlog"`
	Options    map[string]any `json:"options"`
	Data       string         `json:"data"`
	Size       int            `json:"size"`
	Max        int            `json:"max"`
	Line       bool           `json:"line"`
	How        string         `json:"how"`
	Seconds    *float64       `json:"seconds"`
	Which      string         `json:"which"`
	Name       string         `json:"name"`
	Value      any            `json:"value"`
	Family     int            `json:"family"`
	Signal     int            `json:"signal"`
}

type answer struct {
	ID        int       `json:"id"`
	Op        string    `json:"op"`
	Outcome   string    `json:"outcome"`
	*timing             // absent when nothing was called
	Errno     *int      `json:"errno,omitempty"`
	Type      string    `json:"type,omitempty"`
	Chain     []string  `json:"chain,omitempty"`
	Message   string    `json:"message,omitempty"`
	Bytes     *int      `json:"bytes,omitempty"`
	Data      string    `json:"data,omitempty"`
	Local     *endpoint `json:"local,omitempty"`
	Remote    *endpoint `json:"remote,omitempty"`
	Addresses []string  `json:"addresses,omitempty"`
}

type timing struct {
	T       float64 `json:"t"`
	Elapsed float64 `json:"elapsed"`
}

// time performs the operation itself, and measures that and nothing else.
func (a *answer) time(call func() error) error {
	start := time.Now()
	err := call()
	elapsed := time.Since(start)
	a.timing = &timing{float64(start.UnixMicro()) / 1e6, elapsed.Seconds()}
	return err
}

func (a *answer) conclude(err error) {
	var no unsupported
	var errno syscall.Errno
	switch {
	case err == nil:
		a.Outcome = "ok"
		return
	case err == io.EOF:
		a.Outcome = "eof"
		return
	case errors.As(err, &no):
		a.Outcome, a.Message = "unsupported", string(no)
		return
	case errors.As(err, &errno):
		number := int(errno)
		a.Errno = &number
	}
	a.Outcome, a.Message = "error", err.Error()
	for ; err != nil; err = errors.Unwrap(err) {
		a.Chain = append(a.Chain, fmt.Sprintf("%T", err))
	}
	a.Type = a.Chain[0]
}

// unsupported says why package net cannot do what was asked for.
type unsupported string

func (u unsupported) Error() string { return string(u) }

// An endpoint is written [address, port].
type endpoint struct {
	host string
	port int
}

func (e *endpoint) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &[]any{&e.host, &e.port}) }
func (e *endpoint) MarshalJSON() ([]byte, error) { return json.Marshal([]any{e.host, e.port}) }

func (e *endpoint) String() string { return net.JoinHostPort(e.host, strconv.Itoa(e.port)) }

func newEndpoint(a net.Addr) *endpoint {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil { // a Unix socket
		return &endpoint{host: a.String()}
	}
	number, _ := strconv.Atoi(port)
	return &endpoint{host, number}
}

// What connections and listeners of every network have in common.
type socket interface {
	Close() error
	SetDeadline(time.Time) error
	SyscallConn() (syscall.RawConn, error)
}

type driver struct {
	stdout  *json.Encoder
	writing sync.Mutex // around stdout

	sockets map[string]socket // closed ones too: their use is to be observed
	naming  sync.Mutex        // around sockets
}

func main() {
	d := driver{stdout: json.NewEncoder(os.Stdout), sockets: map[string]socket{}}
	d.stdout.SetEscapeHTML(false) // "read tcp a->b" stays readable
	d.stdout.Encode(map[string]any{
		"v": 1, "event": "ready", "runtime": "go", "version": strings.TrimPrefix(runtime.Version(), "go"),
	})

	stdin := json.NewDecoder(os.Stdin)
	for {
		q := request{Network: "tcp", Max: 65536, Which: "both"}
		var mismatch *json.UnmarshalTypeError
		switch err := stdin.Decode(&q); {
		case err == io.EOF:
			return
		case errors.As(err, &mismatch):
			d.reply(&answer{ID: q.ID, Op: q.Op, Outcome: "unsupported", Message: err.Error()})
		case err != nil:
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		case q.Background:
			go d.serve(&q)
		default:
			d.serve(&q)
		}
	}
}

func (d *driver) serve(q *request) {
	a := &answer{ID: q.ID, Op: q.Op}
	a.conclude(d.perform(q, a))
	d.reply(a)
}

func (d *driver) reply(a *answer) {
	d.writing.Lock()
	defer d.writing.Unlock()
	d.stdout.Encode(a)
}

func (d *driver) perform(q *request, a *answer) error {
	switch q.Op {
	case "resolve":
		return d.resolve(q, a)
	case "listen":
		return d.listen(q, a)
	case "accept":
		return d.accept(q, a)
	case "connect":
		return d.connect(q, a)
	case "send":
		return d.send(q, a)
	case "recv":
		return d.recv(q, a)
	case "shutdown":
		return d.shutdown(q, a)
	case "close":
		return d.close(q, a)
	case "option":
		return d.option(q, a)
	case "deadline":
		return d.deadline(q, a)
	case "error":
		return d.error(q, a)
	case "handle":
		return a.time(func() error {
			signal.Notify(make(chan os.Signal, 1), syscall.Signal(q.Signal))
			return nil
		})
	case "bind":
		if strings.HasPrefix(q.Network, "udp") {
			return d.listen(q, a)
		}
		fallthrough
	case "socket":
		return unsupported("package net has no socket that is neither listening nor connected")
	}
	return unsupported("no operation " + q.Op)
}

func (d *driver) name(name string, s any) {
	d.naming.Lock()
	defer d.naming.Unlock()
	d.sockets[name] = s.(socket)
}

// vacant holds a name against a second socket. Package net never takes an existing
// one further, and a connection that nobody knows any more is closed by the collector.
func (d *driver) vacant(name string) error {
	d.naming.Lock()
	defer d.naming.Unlock()
	if _, taken := d.sockets[name]; taken {
		return unsupported("package net makes a new socket each time, and " + name + " is there already")
	}
	return nil
}

// find returns the socket of that name if it is something that can do what T does.
func find[T any](d *driver, name string) (T, error) {
	d.naming.Lock()
	defer d.naming.Unlock()
	s, known := d.sockets[name]
	found, able := s.(T)
	switch {
	case !known:
		return found, unsupported("no socket " + name + ": a call that failed leaves none")
	case !able:
		return found, unsupported(fmt.Sprintf("%T has no such method", s))
	}
	return found, nil
}

func (d *driver) resolve(q *request, a *answer) error {
	network := "ip"
	if q.Family != 0 {
		network += strconv.Itoa(q.Family)
	}
	return a.time(func() error {
		ips, err := net.DefaultResolver.LookupIP(context.Background(), network, q.Name)
		for _, ip := range ips {
			a.Addresses = append(a.Addresses, ip.String())
		}
		return err
	})
}

func (d *driver) connect(q *request, a *answer) error {
	if err := d.vacant(q.Sock); err != nil {
		return err
	}
	if q.Network == "unix" && q.Type == "dgram" {
		q.Network = "unixgram"
	}
	dialer := net.Dialer{Control: q.control}
	if q.Deadline != nil {
		dialer.Timeout = seconds(*q.Deadline)
	}
	if q.Local != nil {
		local, err := resolveAddr(q.Network, q.Local.String())
		if err != nil {
			return err
		}
		dialer.LocalAddr = local
	}
	// Package net sets these two on every new connection, after q.control.
	if value, asked := q.Options["keepalive"]; asked {
		dialer.KeepAlive, dialer.KeepAliveConfig = -1, keepAlive(value)
	}
	nodelay, nodelayAsked := q.Options["nodelay"].(bool)

	var conn net.Conn
	if err := a.time(func() (err error) {
		conn, err = dialer.Dial(q.Network, q.target())
		return err
	}); err != nil {
		return err
	}
	d.name(q.Sock, conn)
	a.Local, a.Remote = newEndpoint(conn.LocalAddr()), newEndpoint(conn.RemoteAddr())
	if tcp, ok := conn.(*net.TCPConn); ok && nodelayAsked {
		return tcp.SetNoDelay(nodelay)
	}
	return nil
}

func (d *driver) listen(q *request, a *answer) error {
	if err := d.vacant(q.Sock); err != nil {
		return err
	}
	config := net.ListenConfig{Control: q.control}
	if value, asked := q.Options["keepalive"]; asked {
		config.KeepAlive, config.KeepAliveConfig = -1, keepAlive(value)
	}
	if strings.HasPrefix(q.Network, "udp") || q.Network == "unixgram" {
		var conn net.PacketConn
		if err := a.time(func() (err error) {
			conn, err = config.ListenPacket(context.Background(), q.Network, q.target())
			return err
		}); err != nil {
			return err
		}
		d.name(q.Sock, conn)
		a.Local = newEndpoint(conn.LocalAddr())
		return nil
	}

	var listener net.Listener
	if err := a.time(func() (err error) {
		listener, err = config.Listen(context.Background(), q.Network, q.target())
		return err
	}); err != nil {
		return err
	}
	d.name(q.Sock, listener)
	a.Local = newEndpoint(listener.Addr())
	if q.Backlog == nil {
		return nil
	}
	// Package net takes the backlog from net.core.somaxconn; listening again changes it.
	return onDescriptor(listener.(socket), func(fd descriptor) error {
		return os.NewSyscallError("listen", syscall.Listen(fd, *q.Backlog))
	})
}

func (d *driver) accept(q *request, a *answer) error {
	listener, err := find[interface {
		net.Listener
		SetDeadline(time.Time) error
	}](d, q.Sock)
	if err != nil {
		return err
	}
	if err := d.vacant(q.As); err != nil {
		return err
	}
	if q.Deadline != nil {
		// On a closed listener this fails, and then Accept says so as well.
		listener.SetDeadline(time.Now().Add(seconds(*q.Deadline)))
		defer listener.SetDeadline(time.Time{})
	}
	var conn net.Conn
	if err := a.time(func() (err error) {
		conn, err = listener.Accept()
		return err
	}); err != nil {
		return err
	}
	d.name(q.As, conn)
	a.Local, a.Remote = newEndpoint(conn.LocalAddr()), newEndpoint(conn.RemoteAddr())
	return nil
}

func (d *driver) send(q *request, a *answer) error {
	conn, err := find[net.Conn](d, q.Sock)
	if err != nil {
		return err
	}
	data := []byte(q.Data)
	if q.Size > 0 {
		data = make([]byte, q.Size)
	}
	if q.To != nil {
		packets, able := conn.(net.PacketConn)
		to, err := resolveAddr("udp", q.To.String())
		if !able || err != nil {
			return errors.Join(err, unsupported("package net has WriteTo for datagrams only"))
		}
		return a.time(func() error {
			n, err := packets.WriteTo(data, to)
			a.Bytes = &n
			return err
		})
	}
	return a.time(func() error {
		n, err := conn.Write(data)
		a.Bytes = &n
		return err
	})
}

func (d *driver) recv(q *request, a *answer) error {
	conn, err := find[net.Conn](d, q.Sock)
	if err != nil {
		return err
	}
	if q.Line {
		return a.time(func() error {
			scanner := bufio.NewScanner(conn)
			if !scanner.Scan() {
				return cmp.Or(scanner.Err(), io.EOF) // a Scanner calls the end of the stream no error
			}
			a.Data = scanner.Text()
			return nil
		})
	}
	var n int
	buffer := make([]byte, q.Max)
	if err := a.time(func() (err error) {
		n, err = conn.Read(buffer)
		return err
	}); err != nil {
		return err
	}
	a.Bytes = &n
	if n <= 1024 {
		a.Data = string(buffer[:n])
	}
	return nil
}

func (d *driver) shutdown(q *request, a *answer) error {
	conn, err := find[interface {
		CloseRead() error
		CloseWrite() error
	}](d, q.Sock)
	if err != nil {
		return err
	}
	return a.time(func() error {
		switch q.How {
		case "wr":
			return conn.CloseWrite()
		case "rd":
			return conn.CloseRead()
		case "rdwr": // package net has no call for both
			if err := conn.CloseWrite(); err != nil {
				return err
			}
			return conn.CloseRead()
		}
		return unsupported("no way to shut down " + q.How)
	})
}

func (d *driver) close(q *request, a *answer) error {
	s, err := find[socket](d, q.Sock)
	if err != nil {
		return err
	}
	return a.time(s.Close)
}

func (d *driver) deadline(q *request, a *answer) error {
	s, err := find[socket](d, q.Sock)
	if err != nil {
		return err
	}
	set := s.SetDeadline
	if conn, ok := s.(net.Conn); ok {
		switch q.Which {
		case "recv":
			set = conn.SetReadDeadline
		case "send":
			set = conn.SetWriteDeadline
		}
	}
	var at time.Time // none
	if q.Seconds != nil {
		at = time.Now().Add(seconds(*q.Seconds))
	}
	return a.time(func() error { return set(at) })
}

func (d *driver) error(q *request, a *answer) error {
	s, err := find[socket](d, q.Sock)
	if err != nil {
		return err
	}
	return a.time(func() error {
		return onDescriptor(s, func(fd descriptor) error {
			errno, err := pendingError(fd)
			if err != nil {
				return os.NewSyscallError("getsockopt", err)
			}
			a.Errno = &errno
			return nil
		})
	})
}

func (d *driver) option(q *request, a *answer) error {
	s, err := find[socket](d, q.Sock)
	if err != nil {
		return err
	}
	return a.time(func() error {
		if tcp, ok := s.(*net.TCPConn); ok {
			switch value := q.Value.(type) {
			case bool:
				switch q.Name {
				case "nodelay":
					return tcp.SetNoDelay(value)
				case "keepalive":
					return tcp.SetKeepAlive(value)
				}
			case float64:
				switch q.Name {
				case "linger":
					return tcp.SetLinger(int(value))
				case "rcvbuf":
					return tcp.SetReadBuffer(int(value))
				case "sndbuf":
					return tcp.SetWriteBuffer(int(value))
				}
			case map[string]any:
				if q.Name == "keepalive" {
					return tcp.SetKeepAliveConfig(keepAlive(value))
				}
			}
		}
		return onDescriptor(s, func(fd descriptor) error { return setsockopt(fd, q.Name, q.Value) })
	})
}

// target is the address as package net wants it.
func (q *request) target() string {
	if strings.HasPrefix(q.Network, "unix") {
		return q.Address
	}
	return net.JoinHostPort(q.Address, strconv.Itoa(q.Port))
}

// control sets the options when the socket is there and not yet bound.
func (q *request) control(_, _ string, conn syscall.RawConn) error {
	for name, value := range q.Options {
		if name == "keepalive" { // see connect and listen
			continue
		}
		if err := control(conn, func(fd descriptor) error { return setsockopt(fd, name, value) }); err != nil {
			return err
		}
	}
	return nil
}

func resolveAddr(network, address string) (net.Addr, error) {
	if strings.HasPrefix(network, "udp") {
		return net.ResolveUDPAddr(network, address)
	}
	return net.ResolveTCPAddr(network, address)
}

func onDescriptor(s socket, do func(fd descriptor) error) error {
	conn, err := s.SyscallConn()
	if err != nil {
		return err
	}
	return control(conn, do)
}

func control(conn syscall.RawConn, do func(fd descriptor) error) error {
	var done error
	if err := conn.Control(func(fd uintptr) { done = do(descriptor(fd)) }); err != nil {
		return err
	}
	return done
}

// What every system has; options_*.go has the rest, with a name below 0 for what a system lacks.
type sockopt struct{ level, name int }

var sockopts = map[string]sockopt{
	"user_timeout": {syscall.IPPROTO_TCP, tcpUserTimeout},
	"nodelay":      {syscall.IPPROTO_TCP, syscall.TCP_NODELAY},
	"defer_accept": {syscall.IPPROTO_TCP, tcpDeferAccept},
	"reuseaddr":    {syscall.SOL_SOCKET, syscall.SO_REUSEADDR},
	"reuseport":    {syscall.SOL_SOCKET, soReusePort},
	"rcvbuf":       {syscall.SOL_SOCKET, syscall.SO_RCVBUF},
	"sndbuf":       {syscall.SOL_SOCKET, syscall.SO_SNDBUF},
	"linger":       {syscall.SOL_SOCKET, soLinger},
	"v6only":       {syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY},
	"recverr":      {syscall.IPPROTO_IP, ipRecvErr},
}

func setsockopt(fd descriptor, name string, value any) error {
	opt, known := sockopts[name]
	if !known {
		return unsupported("package net offers no option " + name + " here")
	}
	if opt = adapted(fd, name, opt); opt.name < 0 {
		return unsupported("this system has no option " + name)
	}
	var number int
	switch value := value.(type) {
	case bool:
		if value {
			number = 1
		}
	case float64:
		number = int(value)
	default:
		return unsupported(fmt.Sprintf("option %s cannot be %v", name, value))
	}
	var err error
	if name == "linger" {
		linger := syscall.Linger{Linger: int32(number)}
		if number >= 0 {
			linger.Onoff = 1
		}
		err = syscall.SetsockoptLinger(fd, opt.level, opt.name, &linger)
	} else {
		err = syscall.SetsockoptInt(fd, opt.level, opt.name, number)
	}
	return os.NewSyscallError("setsockopt", err)
}

// keepAlive reads false, true, or the numbers; Go has its own default for each that is missing.
func keepAlive(value any) net.KeepAliveConfig {
	on, isBool := value.(bool)
	numbers, _ := value.(map[string]any)
	number := func(name string) float64 {
		n, _ := numbers[name].(float64)
		return n
	}
	return net.KeepAliveConfig{
		Enable:   on || !isBool,
		Idle:     seconds(number("idle")),
		Interval: seconds(number("interval")),
		Count:    int(number("count")),
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
