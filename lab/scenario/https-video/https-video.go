// Package httpsvideo is a film that comes in segments while it plays.
package httpsvideo

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario plays a film: a playlist, then segments, some ahead and then each
// when there is room in the player's buffer.
var Scenario = lab.Scenario{
	Name:     "https-video",
	Doc:      "A person watches a film over HTTPS as HLS: segments come at the pace at which they play. Bulk downloads with a rhythm that are no transfer.",
	Labels:   []label.Label{label.Stream},
	Twin:     "https-download",
	Hosts:    []string{"client", "server"},
	Variants: webapp.Variants("go", "ffmpeg"),
	Params: []lab.Param{
		{Name: "seconds", Doc: "of the film", Values: []string{"16", "32", "60"}},
		{Name: "segment", Doc: "seconds of one", Values: []string{"2", "4"}},
		{Name: "rate", Doc: "in kbit/s, at most half of what the network has", Values: []string{"250", "600", "1200"}},
		{Name: "ahead", Doc: "segments that the Go player keeps in its buffer", Values: []string{"1", "3", "6"}},
		{Name: "port", Doc: "of the server", Values: []string{"443", "443", "443", "8443"}},
	},
	Limit:    4 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"server": webapp.ServeFiles, "client": play},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, server := r.Host("client"), r.Host("server")
	kind, front, _ := strings.Cut(r.Variant(), "-")
	if most := int(r.Profile().Rate / 2000); r.Profile().Rate > 0 && r.ParamInt("rate") > most {
		r.SetParam("rate", fmt.Sprint(most))
	}
	s, err := webapp.Start(ctx, r, server, webapp.Options{
		Kind: front, Name: "video.example", Port: r.ParamInt("port"), Program: "server", Clients: []*lab.Host{client}, Args: []string{"film"},
	})
	if err != nil {
		return err
	}
	film := fmt.Sprintf("ffmpeg -nostdin -loglevel fatal -f lavfi -i testsrc2=size=480x270:rate=25,noise=alls=10:allf=t -t %s -c:v mpeg2video -b:v %sk -g 25 -f hls -hls_time %s -hls_playlist_type vod film/film.m3u8",
		r.Param("seconds"), r.Param("rate"), r.Param("segment"))
	if err := server.Write("film/index.html", "<video src=film.m3u8>\n", 0o644); err != nil {
		return err
	}
	if _, err := server.Run(ctx, lab.Command{Args: strings.Fields(film)}); err != nil {
		return err
	}
	// Both sides say what the film is; the server from its own files, in the order of
	// the list (names would put the eleventh segment before the third).
	want, err := server.Run(ctx, lab.Command{Args: []string{"sh", "-c", map[string]string{"go": "cd film && grep -v ^# film.m3u8 | xargs cat | sha256sum", "ffmpeg": "ffmpeg -nostdin -loglevel error -i film/film.m3u8 -c copy -f md5 -"}[kind]}})
	if err != nil {
		return err
	}
	command, err := webapp.Client(r, client, kind, "")
	if err != nil {
		return err
	}
	command.Args = append(command.Args, s.URL("/"), r.Param("ahead"))
	if kind == "ffmpeg" {
		r.SetParam("ahead", "1")
		command.Args = []string{"ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-i", s.URL("/film.m3u8"), "-c", "copy", "-f", "md5", "-"}
	}
	got, err := client.Run(ctx, command)
	if err != nil {
		return err
	}
	if string(got) != string(want) || len(got) < 32 {
		return fmt.Errorf("the film came as %q, and is %q", got, want)
	}
	requests, err := s.Stop()
	if err != nil {
		return err
	}
	webapp.Tell(r, requests, func(q *webapp.Request) (label.State, string) { return label.StateStream, q.Path }, label.Stream)
	return nil
}

// play is the player written in Go: its arguments are the URL of the directory
// and how many segments it keeps ahead.
func play(ctx context.Context, args []string) error {
	ahead, _ := strconv.ParseFloat(args[1], 64) // Run wrote it
	list, err := webapp.Do(ctx, http.MethodGet, args[0]+"film.m3u8", "", nil)
	if err != nil {
		return err
	}
	sum := sha256.New()
	var began time.Time      // of playing
	var at, duration float64 // seconds, of the next segment
	for line := range strings.Lines(string(list)) {
		line = strings.TrimSpace(line)
		if n, _ := fmt.Sscanf(line, "#EXTINF:%f,", &duration); n == 1 || strings.HasPrefix(line, "#") {
			continue
		}
		if at > 0 {
			time.Sleep(time.Until(began.Add(time.Duration((at - ahead*duration) * float64(time.Second)))))
		}
		segment, err := webapp.Do(ctx, http.MethodGet, args[0]+line, "", nil)
		if err != nil {
			return err
		}
		if sum.Write(segment); began.IsZero() {
			began = time.Now()
		}
		at += duration
	}
	fmt.Printf("%x  -\n", sum.Sum(nil))
	return nil
}
