// As in the driver of package net: the lab observes plain TCP.
//
//go:debug multipathtcp=0

// The net/http driver of faultlab: it fetches what it is told to with an
// http.Client, and reports what came back.
// The conversation is described in ../README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

type request struct {
	ID              int      `json:"id"`
	Op              string   `json:"op"`
	Background      bool     `json:"background"`
	Sock            string   `json:"sock"`
	Method          string   `json:"method"`
	URL             string   `json:"url"`
	Data            *string  `json:"data"`
	Size            *int     `json:"size"`
	Deadline        *float64 `json:"deadline"`
	ConnectDeadline *float64 `json:"connect_deadline"`
}

type answer struct {
	ID      int      `json:"id"`
	Op      string   `json:"op"`
	Outcome string   `json:"outcome"`
	T       float64  `json:"t,omitempty"`
	Elapsed float64  `json:"elapsed"`
	Errno   *int     `json:"errno,omitempty"`
	Type    string   `json:"type,omitempty"`
	Chain   []string `json:"chain,omitempty"`
	Message string   `json:"message,omitempty"`
	Cause   string   `json:"cause,omitempty"`
	Status  int      `json:"status,omitempty"`
	Bytes   *int     `json:"bytes,omitempty"`
	Data    *string  `json:"data,omitempty"`
	Local   []any    `json:"local,omitempty"` // of the last connection: some words mention it
}

func (a *answer) fail(err error) {
	a.Outcome, a.Message = "error", err.Error()
	var errno syscall.Errno
	if errors.As(err, &errno) {
		number := int(errno)
		a.Errno = &number
	}
	for ; err != nil; err = errors.Unwrap(err) {
		a.Chain = append(a.Chain, fmt.Sprintf("%T", err))
		a.Cause = err.Error()
	}
	a.Type = a.Chain[0]
	if len(a.Chain) == 1 {
		a.Cause = ""
	}
}

var sessions sync.Map // name -> *http.Transport

// session is a transport with the defaults of the one everybody uses.
func session(q *request) *http.Transport {
	t, name := http.DefaultTransport.(*http.Transport).Clone(), q.Sock
	if q.ConnectDeadline != nil { // the timer for connecting is the transport's
		name += fmt.Sprint(" ", *q.ConnectDeadline)
		t.DialContext = (&net.Dialer{Timeout: seconds(*q.ConnectDeadline)}).DialContext
	}
	kept, _ := sessions.LoadOrStore(name, t)
	return kept.(*http.Transport)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (a *answer) fetch(q *request) error {
	client := &http.Client{Transport: session(q)}
	if q.Deadline != nil {
		client.Timeout = seconds(*q.Deadline)
	}
	var body io.Reader
	if q.Size != nil {
		body = strings.NewReader(strings.Repeat("x", *q.Size))
	} else if q.Data != nil {
		body = strings.NewReader(*q.Data)
	}
	var lock sync.Mutex
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		if tcp, ok := got.Conn.LocalAddr().(*net.TCPAddr); ok {
			lock.Lock()
			a.Local = []any{tcp.IP.String(), tcp.Port}
			lock.Unlock()
		}
	}})
	req, err := http.NewRequestWithContext(ctx, q.Method, q.URL, body)
	if err != nil {
		return err
	}
	start := time.Now()
	a.T = float64(start.UnixMicro()) / 1e6
	defer func() { a.Elapsed = time.Since(start).Seconds() }()
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	a.Status = resp.StatusCode
	data, err := io.ReadAll(resp.Body)
	number, text := len(data), string(data)
	a.Bytes = &number
	if err == nil && number <= 1024 {
		a.Data = &text
	}
	return err
}

var writing sync.Mutex

func say(thing any) {
	writing.Lock()
	defer writing.Unlock()
	stdout := json.NewEncoder(os.Stdout)
	stdout.SetEscapeHTML(false) // "read tcp a->b" stays readable
	stdout.Encode(thing)
}

func serve(q *request) {
	a := &answer{ID: q.ID, Op: q.Op, Outcome: "ok", T: float64(time.Now().UnixMicro()) / 1e6}
	if q.Op != "fetch" {
		a.Outcome, a.Message = "unsupported", "an HTTP client can only fetch"
	} else if err := a.fetch(q); err != nil {
		a.fail(err)
	}
	say(a)
}

func main() {
	say(map[string]any{"v": 1, "event": "ready", "runtime": "go-http", "version": strings.TrimPrefix(runtime.Version(), "go")})
	stdin := json.NewDecoder(os.Stdin)
	for {
		q := request{Method: "GET"}
		var mismatch *json.UnmarshalTypeError
		switch err := stdin.Decode(&q); {
		case err == io.EOF:
			return
		case errors.As(err, &mismatch):
			say(&answer{ID: q.ID, Op: q.Op, Outcome: "unsupported", Message: err.Error()})
		case err != nil:
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		case q.Background:
			go serve(&q)
		default:
			serve(&q)
		}
	}
}
