"""The agent at the hosts: runs programs, captures, injects, reads socket states and counters. Commanded over pipes only.

One agent serves one host or many. It is told what to do by JSON lines on standard input and answers each with one line on
standard output; it never speaks unasked, so nothing of the lab's control is ever on the wire. What happens meanwhile (a
packet, a line from a program) is kept until the next `wait`, which is also the only request that lets time pass: that is
what makes the same agent serve in a kernel whose clock stands still while anything computes.

With `--frozen FOLDER` it is process 1 of a kernel with such a clock.

With `--sandbox` it first moves into namespaces of its own: process, mount, network, and user where it is not root. It is
process 1 there, so whatever it started dies with it, and it dies when its standard input ends.
"""
