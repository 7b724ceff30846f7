// Package http3download is files that are moved over HTTP/3.
package http3download

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"tyto/lab"
	"tyto/lab/auto"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario gets and puts files, with pauses in between.
var Scenario = lab.Scenario{
	Name:     "http3-download",
	Doc:      "A program gets and puts files over HTTP/3, in one connection or a new one each time, with pauses in between. Teaches bulk both ways where all is UDP.",
	Labels:   []label.Label{label.Download, label.Upload},
	Twin:     "c2-quic",
	Hosts:    []string{"client", "server"},
	Variants: []lab.Variant{{Name: "go-go", Needs: []string{"openssl"}}},
	Params: []lab.Param{
		auto.PacketParam(), auto.Connections(),
		{Name: "files", Doc: "that are moved", Values: []string{"1", "2", "4", "8"}},
		{Name: "size", Doc: "of a file in kB, about", Values: []string{"20", "150", "900", "3000"}},
		{Name: "up", Doc: "% of the files that are put", Values: []string{"0", "0", "50", "100"}},
		{Name: "pause", Doc: "between two, in seconds, about", Values: []string{"0.2", "1", "5"}},
	},
	Limit:    6 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": auto.ServeHTTP3, "client": auto.FetchHTTP3},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, server, rng := r.Host("client"), r.Host("server"), r.Rand()
	const most = 6000 // kB in one run
	count, size := r.ParamInt("files"), r.ParamInt("size")
	if count*size > most {
		size = most / count
		r.SetParam("size", fmt.Sprint(size))
	}
	var pause float64
	if _, err := fmt.Sscan(r.Param("pause"), &pause); err != nil {
		return err
	}
	const name = "files.cdn.example"
	args, here, there := []string{}, make(map[string]string), map[string]string{"index.html": "<p>Files\n"}
	for i := range count {
		file, how := fmt.Sprintf("f%d.bin", i), "get"
		content := lab.Random(int(1000*float64(size)*(.6+.8*rng.Float64())), rng)
		if rng.IntN(100) < r.ParamInt("up") {
			how = "put"
			here[file] = content
		} else {
			there[file] = content
		}
		args = append(args, fmt.Sprintf("%.3f", pause*(.5+rng.Float64())), how, "https://"+name+"/"+file, file)
	}
	s, err := auto.StartHTTP3(ctx, r, server, name, there)
	if err := errors.Join(err, client.WriteFiles("", here)); err != nil {
		return err
	}
	r.Software("client", "quic-go", "0.65.0")
	p, err := client.Start(ctx, lab.Command{Program: "client", Args: append([]string{r.Param("connection"), fmt.Sprint(s.Packet)}, args...)})
	if err != nil {
		return err
	}
	if err := p.Wait(ctx); err != nil {
		return err
	}
	delete(there, "index.html")
	for _, side := range []struct {
		host  *lab.Host
		files map[string]string
	}{{server, here}, {client, there}} {
		for file, want := range side.files {
			if got, err := side.host.Read(file); err != nil || string(got) != want {
				return fmt.Errorf("%s came as %d other bytes: %w", file, len(got), err)
			}
		}
	}
	for _, e := range webapp.Events(p) {
		var port uint16
		var over label.Time
		var how, file string
		if n, _ := fmt.Sscan(e.Text, &port, &over, &how, &file); n != 4 {
			return fmt.Errorf("the client says %q", e.Text)
		}
		flow := auto.Flow("udp", netip.AddrPortFrom(client.Addr(), port), netip.AddrPortFrom(server.Addr(), 443))
		switch {
		case e.What == "handshake":
			r.Span(flow, e.At, over, label.StateHandshake, "")
		case how == "put":
			r.Label(flow, label.Upload)
			r.Span(flow, e.At, over, label.StateUpload, file)
		default:
			r.Label(flow, label.Download)
			r.Span(flow, e.At, over, label.StateDownload, file)
		}
	}
	return nil
}
