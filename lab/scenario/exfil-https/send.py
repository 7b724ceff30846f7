import http.client, random, ssl, sys, time
c = http.client.HTTPSConnection(sys.argv[1], context=ssl.create_default_context())
c.connect()
for i, name in enumerate(sys.argv[3:]):
    if i: time.sleep(float(sys.argv[2]) * random.uniform(.6, 1.4))
    began = time.time_ns()
    c.request("POST", "/upload/" + name, open(name, "rb").read())
    a = c.getresponse()
    if a.status != 200 or b"received" not in a.read(): sys.exit(a.reason)
    print("sent", name, began, time.time_ns())
