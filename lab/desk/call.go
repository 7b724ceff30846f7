package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/sshmore"
)

// formats are SDP's words for the codecs.
var formats = map[string]string{"pcmu": "0 PCMU/8000", "pcma30": "8 PCMA/8000", "g729": "18 G729/8000", "opus": "111 opus/48000/2"}

// CallPrograms are for lab.Scenario.Programs.
func CallPrograms() map[string]func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{"sip": SIPProgram, "media": MediaProgram}
}

// CallParams are the parameters of scenarios with a call.
func CallParams() []lab.Param {
	return []lab.Param{
		{Name: "codec", Doc: "of the voices", Values: []string{"pcmu", "pcma30", "g729", "opus", "opus"}},
		{Name: "silence", Doc: "what is sent while somebody listens: as much as when they talk, noise now and then, nothing", Values: []string{"all", "all", "noise", "none"}},
		{Name: "secure", Doc: "SRTP", Values: []string{"no", "yes"}},
		{Name: "reports", Doc: "RTCP, in the same flow", Values: []string{"no", "yes"}},
		{Name: "seconds", Doc: "that they talk, about", Values: []string{"15", "30", "60"}},
		{Name: "port", Doc: "for signals", Values: []string{"5060", "5060", "5080"}},
	}
}

// Call calls from the host "client" to the host "server": with signals of "go"
// or "sipp", and voices that are the lab's own.
func Call(ctx context.Context, r *lab.Run, kind string) error {
	client, server, rng := r.Host("client"), r.Host("server"), r.Rand()
	length := max(8*time.Second, Pause(float64(r.ParamInt("seconds")), rng)).Round(time.Millisecond)
	port, voice := r.ParamInt("port"), 10000+2*rng.IntN(10000)
	r.Note("the voices are noise, in packets of the codec's sizes and times")
	caller := SIP{Host: client.Addr().String(), Port: port, Peer: fmt.Sprintf("%s:%d", server.Addr(), port), Names: [2]string{"mortiz", "jlarsen"}, Agent: sshmore.Pick(rng, "Yealink SIP-T46S 66.84", "Linphone/5.2", "MicroSIP/3.21", "Zoiper v5"),
		RTP: 10000 + 2*rng.IntN(10000), Format: formats[r.Param("codec")], Length: length, Tag: fmt.Sprintf("%08x", rng.Uint32())}
	callee := caller
	callee.Host, callee.Peer, callee.RTP, callee.Rings, callee.Tag = server.Addr().String(), "", voice, Pause(2, rng), fmt.Sprintf("%08x", rng.Uint32())
	media := Media{Port: caller.RTP, Peer: fmt.Sprintf("%s:%d", server.Addr(), voice), Codec: r.Param("codec"), Silence: r.Param("silence"), Secure: r.Param("secure") == "yes",
		Reports: r.Param("reports") == "yes", Length: length - 2*time.Second, Turns: rng.Uint64(), Caller: true}
	other := media
	other.Port, other.Peer, other.Caller = voice, "", false
	listener, err := start(ctx, server, "media", other)
	if err != nil {
		return err
	}
	up, down, err := startSignals(ctx, r, kind, caller, callee)
	if err != nil {
		return err
	}
	signals := lab.Of(up).And(lab.Service(server, "udp", port))
	r.Label(signals, label.Call)
	setup := r.Segment(signals, label.StateExchange, "call set up")
	if kind == "go" {
		if _, err := sshmore.Await(ctx, r, up, regexp.MustCompile("answered"), 1); err != nil {
			return err
		}
	} else if err := r.Sleep(ctx, 3*r.Profile().RTT.Duration()+300*time.Millisecond); err != nil {
		return err
	}
	setup()
	talker, err := start(ctx, client, "media", media)
	if err != nil {
		return err
	}
	voices := lab.Of(talker)
	r.Label(voices, label.Call)
	streaming, idle := r.Segment(voices, label.StateStream, r.Param("codec")), r.Segment(signals, label.StateIdle, "they talk")
	if err := heard(ctx, talker, listener); err != nil {
		return err
	}
	streaming()
	idle()
	end := r.Segment(signals, label.StateExchange, "call ended")
	defer end()
	if err := up.Wait(ctx); err != nil {
		return err
	}
	if kind == "go" {
		return down.Wait(ctx)
	}
	return nil
}

// start starts one of the lab's own programs with what it is told.
func start(ctx context.Context, h *lab.Host, program string, what any) (*lab.Process, error) {
	arg, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	return h.Start(ctx, lab.Command{Program: program, Args: []string{string(arg)}})
}

// startSignals starts both ends of the signals.
func startSignals(ctx context.Context, r *lab.Run, kind string, caller, callee SIP) (up, down *lab.Process, err error) {
	client, server := r.Host("client"), r.Host("server")
	if kind == "go" {
		if down, err = start(ctx, server, "sip", callee); err != nil {
			return nil, nil, err
		}
		if err = server.WaitListen(ctx, "udp", callee.Port); err != nil {
			return nil, nil, err
		}
		up, err = start(ctx, client, "sip", caller)
		return up, down, err
	}
	r.Installed(client, "sipp")
	r.Installed(server, "sipp")
	for h, end := range map[*lab.Host]SIP{client: caller, server: callee} {
		// sipp's own scenarios, but for the port and codec.
		number, name, _ := strings.Cut(end.Format, " ")
		const write = `sipp -sd "$1" | sed "s#\[media_port\]#$2#; s#RTP/AVP 0#RTP/AVP $3#; s#rtpmap:0 .*#rtpmap:$3 $4#" >call.xml; grep -q "m=audio $2" call.xml`
		role := map[bool]string{true: "uac", false: "uas"}[end.Peer != ""]
		if _, err := h.Run(ctx, lab.Command{Args: []string{"sh", "-c", write, "sh", role, fmt.Sprint(end.RTP), number, name}, Env: []string{"TERM=xterm"}}); err != nil {
			return nil, nil, err
		}
	}
	sipp := func(end SIP, args ...string) lab.Command {
		return lab.Command{Args: append([]string{"sipp", "-sf", "call.xml", "-i", end.Host, "-p", fmt.Sprint(end.Port), "-nostdin"}, args...), Env: []string{"TERM=xterm"}}
	}
	if down, err = server.Start(ctx, sipp(callee)); err != nil {
		return nil, nil, err
	}
	if err = server.WaitListen(ctx, "udp", callee.Port); err != nil {
		return nil, nil, err
	}
	up, err = client.Start(ctx, sipp(caller, "-m", "1", "-l", "1", "-d", fmt.Sprint(caller.Length.Milliseconds()), caller.Peer))
	return up, down, err
}

// heard waits for both ends of the voices, and makes sure that each heard most
// of what the other sent.
func heard(ctx context.Context, ends ...*lab.Process) error {
	var sent, received [2]int
	for i, p := range ends {
		if err := p.Wait(ctx); err != nil {
			return err
		}
		if n, _ := fmt.Sscanf(p.Output(), "media: sent %d, received %d", &sent[i], &received[i]); n != 2 {
			return fmt.Errorf("an end of the voices wrote %q", p.Output())
		}
	}
	for i := range ends {
		if other := sent[1-i]; received[i]*10 < other*8 {
			return fmt.Errorf("%d packets were heard of %d", received[i], other)
		}
	}
	return nil
}
