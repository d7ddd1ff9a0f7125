"""The datagrams between agents: counted, lost, captured, forged, sent again.

The formats are in src/gatekeeper/datagram/envelope.h and rate_message.h; they are written down here a second time, so that a change of
either is noticed.
"""

import ctypes
import ipaddress
import json
import os
import socket
import struct
import time

PORT = 5157
ETH_P_ALL = 0x0003  # a bridge takes frames before other kinds of sockets see them
UDP_PAYLOAD_AT = 14 + 20 + 8  # in a frame without IP options
HEADER = struct.Struct(">4sB3xQQQQ")
ENTRY = struct.Struct(">16s16sQ")
UNLIMITED = (1 << 64) - 1


# ---- on the way ----

def lose_half(host):
    """From now on, of what other agents send to this host's, every second datagram at random."""
    host.run("nft", "add", "table", "inet", "loss")
    host.run("nft", "add", "chain", "inet", "loss", "in", "{ type filter hook input priority 0; }")
    host.run("nft", "add", "rule", "inet", "loss", "in", "udp", "dport", PORT, "numgen", "random", "mod", 2, "==", 0, "counter",
             "drop")


def count(host):
    host.run("nft", "add", "table", "inet", "agents")
    host.run("nft", "add", "chain", "inet", "agents", "out", "{ type filter hook output priority 0; }")
    host.run("nft", "add", "rule", "inet", "agents", "out", "udp", "dport", PORT, "counter")


def counted(host, table):
    """(packets, bytes with IP's header) that `count` or `lose_half` has counted."""
    for item in json.loads(host.run("nft", "-j", "list", "table", "inet", table))["nftables"]:
        for expression in item.get("rule", {}).get("expr", ()):
            if "counter" in expression:
                return expression["counter"]["packets"], expression["counter"]["bytes"]
    return 0, 0


def capture(host, seconds):
    """What other hosts' agents send to this one's: [payload]."""
    datagrams = []
    with host.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as tap:
        tap.bind(("up0", ETH_P_ALL))
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            tap.settimeout(left)
            try:
                frame = tap.recv(2048)
            except TimeoutError:
                break
            is_udp = len(frame) > UDP_PAYLOAD_AT and frame[23] == socket.IPPROTO_UDP
            if is_udp and struct.unpack_from(">H", frame, 36)[0] == PORT and \
                    frame[30:34] == socket.inet_aton(host.address):
                datagrams.append(frame[UDP_PAYLOAD_AT:14 + struct.unpack_from(">H", frame, 16)[0]])
    return datagrams


# ---- made up ----

def rates(entries):
    """Of (source, destination, bytes per second)."""
    def mapped(address):
        return ipaddress.ip_address(f"::ffff:{address}").packed

    return struct.pack(">BxH", 1, len(entries)) + b"".join(
        ENTRY.pack(mapped(source), mapped(destination), rate) for source, destination, rate in entries)


def host_id(datagram):
    """Who says that it is theirs."""
    return HEADER.unpack_from(datagram)[2]


def seal(key, host, payload, sequence=1):
    """A datagram with the current time, of an agent that has started just now."""
    now = time.time_ns()
    header = HEADER.pack(b"SlGk", 1, host, now, sequence, now)
    nonce, sealed = os.urandom(24), ctypes.create_string_buffer(len(payload) + 16)
    sodium = ctypes.CDLL("libsodium.so.23")
    size = ctypes.c_ulonglong()
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
        sealed, ctypes.byref(size), payload, ctypes.c_ulonglong(len(payload)), header, ctypes.c_ulonglong(len(header)), None,
        nonce, key)
    return header + nonce + sealed.raw


def flipped(datagram):
    """With one bit changed, anywhere."""
    at = int.from_bytes(os.urandom(4), "big") % (8 * len(datagram))
    changed = bytearray(datagram)
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


def send(namespace, host, datagrams, seconds, per_s=5000):
    """All of them, again and again."""
    with namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        start, sent = time.monotonic(), 0
        while (elapsed := time.monotonic() - start) < seconds:
            while sent < elapsed * per_s:
                stream.sendto(datagrams[sent % len(datagrams)], (host.address, PORT))
                sent += 1
            time.sleep(0.002)
    return sent
