"""gre LOCAL REMOTE KEY ADDR MTU: a GRE tunnel with a key (RFC 2890) between two
hosts, with a device that has an address."""
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2
IPV4, KEY_PRESENT = 0x0800, 0x2000

local, remote, key, addr, mtu = sys.argv[1:]
header = struct.pack("!HHI", KEY_PRESENT, IPV4, int(key))
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", b"gre1", IFF_TUN | IFF_NO_PI))
for line in [f"addr add {addr} dev gre1", f"link set gre1 mtu {mtu} up"]:
    subprocess.run(["ip", *line.split()], check=True)
outer = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_GRE)
outer.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
outer.bind((local, 0))
outer.connect((remote, 0))
print("up", flush=True)
while True:
    ready, _, _ = select.select([tun, outer], [], [])
    try:
        if tun in ready:
            outer.send(header + os.read(tun, 65536))
        if outer in ready:
            packet = outer.recv(65536)
            packet = packet[4 * (packet[0] & 15):]
            if packet.startswith(header):
                os.write(tun, packet[len(header):])
    except OSError as e:
        print(e, file=sys.stderr, flush=True)  # a packet is lost, as packets are
