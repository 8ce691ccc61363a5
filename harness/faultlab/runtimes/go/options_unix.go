//go:build unix

package main

import "syscall"

// pendingError takes SO_ERROR.
func pendingError(fd descriptor) (int, error) {
	return syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ERROR)
}
