package main

import "syscall"

type descriptor = int

const (
	soLinger       = syscall.SO_LINGER
	soReusePort    = 15 // package syscall does not have these two everywhere
	tcpUserTimeout = 18
	tcpDeferAccept = syscall.TCP_DEFER_ACCEPT
	ipRecvErr      = syscall.IP_RECVERR
)

// adapted is the option as this socket's family has it.
func adapted(fd descriptor, name string, opt sockopt) sockopt {
	if name == "recverr" {
		if domain, _ := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_DOMAIN); domain == syscall.AF_INET6 {
			return sockopt{syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR}
		}
	}
	return opt
}
