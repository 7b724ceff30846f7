"""Publishes lines of standard input, or prints what is published:
client.py pub|sub HOST PORT TOPIC COUNT"""
import sys

import paho.mqtt.client as mqtt

mode, host, port, topic, count = sys.argv[1:]
client = mqtt.Client()
client.tls_set("/etc/ssl/certs/ca-certificates.crt")
left = int(count)


def on_message(client, _, message):
    global left
    print(message.payload.decode(), flush=True)
    left -= 1
    if not left:
        client.disconnect()


client.on_message = on_message
client.on_connect = lambda client, *_: client.subscribe(topic, 1) if mode == "sub" else print("CONNACK", flush=True)
client.on_subscribe = lambda *_: print("subscribed", flush=True)
client.connect(host, int(port), keepalive=20)
if mode == "sub":
    client.loop_forever()
else:
    client.loop_start()
    for line in sys.stdin:
        client.publish(topic, line.rstrip("\n"), 1).wait_for_publish()
    client.disconnect()
    client.loop_stop()
