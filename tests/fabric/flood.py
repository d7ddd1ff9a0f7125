#!/usr/bin/python3
"""Greedy UDP: flood.py ADDRESS MBIT SECONDS. Frames at that rate, whether they arrive or not.

iperf3 pays a system call per datagram, and on small machines several of those do not fill a link, let alone flood it. Here the
kernel cuts one large buffer into datagrams (UDP_SEGMENT in udp(7)). Nobody need listen: the receiver's kernel says so at most
once a second.
"""

import socket
import sys
import time

UDP_SEGMENT = 103  # <linux/udp.h>
PAYLOAD_BYTES = 1472
FRAME_BYTES = PAYLOAD_BYTES + 42  # with the headers of UDP, IPv4 and Ethernet
DATAGRAMS = 44  # in one buffer: more than the switch takes in one piece, so that it counts and drops frames
PORT = 9  # discard


def flood(address, mbit, seconds):
    stream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stream.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, PAYLOAD_BYTES)
    buffer = bytes(PAYLOAD_BYTES * DATAGRAMS)
    interval = DATAGRAMS * FRAME_BYTES * 8 / (mbit * 1e6)
    due = time.monotonic()
    end = due + seconds
    while due < end:
        stream.sendto(buffer, (address, PORT))
        # What is held back is not caught up with.
        due = max(due + interval, time.monotonic() - 0.002)
        time.sleep(max(0, due - time.monotonic()))


if __name__ == "__main__":
    flood(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
