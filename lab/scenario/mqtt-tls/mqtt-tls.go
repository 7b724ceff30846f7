// Package mqtttls is a device that publishes what it measures.
package mqtttls

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario publishes measurements at a period with jitter; a phone that
// subscribed gets them.
var Scenario = lab.Scenario{
	Name:   "mqtt-tls",
	Doc:    "A device publishes small measurements over MQTT with TLS, and a subscriber gets them pushed. Held sessions with small messages one way: benign twins of a beacon and of a reverse shell.",
	Labels: []label.Label{label.Poll},
	Twin:   "c2-pivot-tcp",
	Hosts:  []string{"client", "broker", "phone"},
	Variants: []lab.Variant{
		{Name: "mosquitto-mosquitto", Needs: []string{"mosquitto", "mosquitto_pub", "mosquitto_sub", "openssl"}},
		{Name: "paho-mosquitto", Needs: []string{"mosquitto", "/usr/bin/python3", "py:paho@python3-paho-mqtt", "openssl"}},
	},
	Params: []lab.Param{
		{Name: "messages", Doc: "how many", Values: []string{"5", "10", "20"}},
		{Name: "period", Doc: "between them, in milliseconds", Values: []string{"500", "2000", "5000", "8000"}},
		{Name: "jitter", Doc: "in percent of the period", Values: []string{"0", "10", "60"}},
		{Name: "sensors", Doc: "measured in one message", Values: []string{"1", "6", "40"}},
		{Name: "subscriber", Doc: "who is on the client's side: the device or the phone", Values: []string{"phone", "client"}},
		{Name: "port", Doc: "of the broker", Values: []string{"8883", "8883", "443"}},
	},
	Limit: 5 * time.Minute,
	Run:   run,
}

//go:embed client.py
var python string

func run(ctx context.Context, r *lab.Run) error {
	broker, device, phone := r.Host("broker"), r.Host("client"), r.Host("phone")
	if r.Param("subscriber") == "client" {
		device, phone = phone, device
	}
	const name, topic = "mqtt.corp.example", "plant/hall2/sensors"
	if _, err := webapp.Certify(ctx, r, broker, "ecdsa", name, device, phone); err != nil {
		return err
	}
	conf := fmt.Sprintf("user root\nlistener %s\ncertfile %s/server.pem\nkeyfile %s/server.key\nallow_anonymous true\npersistence false\n", r.Param("port"), broker.Dir(), broker.Dir())
	if err := errors.Join(broker.Write("mosquitto.conf", conf, 0o644), device.Write("client.py", python, 0o644), phone.Write("client.py", python, 0o644)); err != nil {
		return err
	}
	r.Installed(broker, "mosquitto")
	if _, err := broker.Start(ctx, lab.Command{Args: []string{"mosquitto", "-c", broker.Dir() + "/mosquitto.conf"}}); err != nil {
		return err
	}
	if err := broker.WaitListen(ctx, "tcp", r.ParamInt("port")); err != nil {
		return err
	}
	count, program := r.Param("messages"), "mosquitto_pub"
	options := " -q 1 -k 20 --cafile /etc/ssl/certs/lab.pem -h " + name + " -p " + r.Param("port") + " -t " + topic
	sub, pub := strings.Fields("stdbuf -oL mosquitto_sub -d -F %p -C "+count+options), strings.Fields("stdbuf -oL mosquitto_pub -d -l"+options)
	if strings.HasPrefix(r.Variant(), "paho") {
		args := []string{name, r.Param("port"), topic, count}
		sub, pub = append([]string{"/usr/bin/python3", "client.py", "sub"}, args...), append([]string{"/usr/bin/python3", "client.py", "pub"}, args...)
		program = "py:paho@python3-paho-mqtt"
	}
	r.Installed(device, program)
	s, err := phone.Start(ctx, lab.Command{Args: sub})
	if err != nil {
		return err
	}
	if err := ready(ctx, r, s, "ubscribed"); err != nil {
		return err
	}
	in, out := io.Pipe()
	defer out.Close()
	p, err := device.Start(ctx, lab.Command{Args: pub, Stdin: in})
	if err != nil {
		return err
	}
	if err := ready(ctx, r, p, "CONNACK"); err != nil {
		return err
	}
	for i := range r.ParamInt("messages") {
		message := fmt.Sprintf(`{"n": %d`, i)
		for j := range r.ParamInt("sensors") {
			message += fmt.Sprintf(`, "t%d": %.2f`, j, 15+10*r.Rand().Float64())
		}
		began := r.Now()
		if _, err := fmt.Fprintln(out, message+"}"); err != nil {
			return err
		}
		if err := webapp.AwaitOutput(ctx, s, message+"}\n", 1); err != nil {
			return err
		}
		// It has come; its acknowledgements are on their way.
		for _, sel := range []lab.Selector{lab.Of(s), lab.Of(p)} {
			r.Span(sel, began, r.Now()+label.Time(r.Profile().RTT.Duration()), label.StateExchange, "measurement")
		}
		if err := r.Sleep(ctx, time.Duration(float64(r.ParamInt("period"))*1e6*(1+float64(r.ParamInt("jitter"))/100*(2*r.Rand().Float64()-1)))); err != nil {
			return err
		}
	}
	out.Close()
	return errors.Join(p.Wait(ctx), s.Wait(ctx))
}

// ready waits until a client wrote that its session is there.
func ready(ctx context.Context, r *lab.Run, p *lab.Process, said string) error {
	r.Label(lab.Of(p), label.Poll)
	defer r.Segment(lab.Of(p), label.StateHandshake, "")()
	return webapp.AwaitOutput(ctx, p, said, 1)
}
