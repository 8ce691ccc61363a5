//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"runtime"
	"syscall"
)

type descriptor = int

const (
	soReusePort    = syscall.SO_REUSEPORT
	tcpUserTimeout = -1
	tcpDeferAccept = -1
	ipRecvErr      = -1
)

// macOS counts the SO_LINGER of the BSDs in ticks of its clock; this one is in seconds (SO_LINGER_SEC in sys/socket.h).
var soLinger = map[bool]int{true: 0x1080, false: syscall.SO_LINGER}[runtime.GOOS == "darwin"]

func adapted(_ descriptor, _ string, opt sockopt) sockopt { return opt }
