package main

import (
	"syscall"
	"unsafe"
)

type descriptor = syscall.Handle

const (
	soLinger       = syscall.SO_LINGER
	soReusePort    = -1
	tcpUserTimeout = -1
	tcpDeferAccept = -1
	ipRecvErr      = -1
	soError        = 0x1007 // SO_ERROR in winsock2.h
)

func adapted(_ descriptor, _ string, opt sockopt) sockopt { return opt }

// pendingError takes SO_ERROR.
func pendingError(fd descriptor) (int, error) {
	var errno, size int32 = 0, 4
	err := syscall.Getsockopt(fd, syscall.SOL_SOCKET, soError, (*byte)(unsafe.Pointer(&errno)), &size)
	return int(errno), err
}
