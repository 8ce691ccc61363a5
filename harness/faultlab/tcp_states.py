"""What Linux calls the states of TCP (include/net/tcp_states.h); the lab calls those of every system so."""

STATES = (
    "", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE",
    "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV",
)  # fmt: skip


def state_name(number: int) -> str:
    """The name, or the number where there is none."""
    return STATES[number] if 0 < number < len(STATES) else str(number)
