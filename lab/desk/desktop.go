package desk

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/typist"
)

// DesktopParams are the parameters of scenarios in which a person works on a
// Desktop.
func DesktopParams() []lab.Param {
	return []lab.Param{
		{Name: "size", Doc: "of the screen in pixels", Values: []string{"1024x768", "1280x800", "1440x900"}},
		{Name: "actions", Doc: "that the person does", Values: []string{"4", "7", "10"}},
		{Name: "role", Doc: "who works there", Values: []string{"developer", "administrator", "analyst", "intruder"}},
		{Name: "extra", Doc: "what else is on the screen", Values: []string{"none", "none", "clock", "eyes"}},
	}
}

// DesktopNeeds are the programs that a Desktop and the hands on it need, and a
// scenario's own.
func DesktopNeeds(own ...string) []string {
	return append(own, "Xvfb", "xdotool", "openbox", "xterm", "xset@x11-xserver-utils", "xprop@x11-utils", "xsetroot@x11-xserver-utils", "xwd@x11-apps", "xclock@x11-apps", "xeyes@x11-apps", "ico@x11-apps", "less", "ss", "ps")
}

// Desktop is a user's graphical session on a host: a window with a shell, one
// with a long text, perhaps another thing.
type Desktop struct {
	Host           *lab.Host
	User, Password string
	done           int           // commands
	x, y           int           // of the text's window
	server         func() string // what the program that shows it wrote
}

// Places of the two windows.
const (
	shellX, shellY = 20, 30
	textX, textY   = 540, 60
)

// session is run when the session begins; it ends with the shell. A key that is
// let go late, by a server that is busy, must not repeat soon.
const session = `#!/bin/sh
cd "$HOME"
xset r rate 3000 10
xsetroot -solid '%s'
openbox &
sleep .5
exec ./.windows
`

// windows are what a session shows.
const windows = `#!/bin/sh
cd "$HOME"
%s
xterm -geometry 70x20+%d+%d -fn %s -e less logs/access.log &
sleep .3
exec xterm -geometry 72x26+%d+%d -fn %s -e bash --rcfile .deskrc
`

// rc notes that the shell is there, and each command that was run.
const rc = `PS1='\u@\h:\w\$ '
HISTFILE=
PROMPT_COMMAND='history 1 >>"$HOME/.done"'
cd
touch .up
`

// NewDesktop makes a user on a host and what their session needs: the programs
// .session in their home directory and, for displays that are managed already,
// .windows.
func NewDesktop(ctx context.Context, r *lab.Run, h *lab.Host) (*Desktop, error) {
	rng := r.Rand()
	d := &Desktop{Host: h, User: []string{"mortiz", "jlarsen", "ahmed", "wei", "ops"}[rng.IntN(5)], Password: "pw" + Digits(6, rng), x: textX, y: textY}
	if err := Home(ctx, h, d.User, d.Password); err != nil {
		return nil, err
	}
	font := []string{"6x13", "7x13", "6x12"}[rng.IntN(3)]
	colour := fmt.Sprintf("#%02x%02x%02x", 20+rng.IntN(200), 20+rng.IntN(200), 20+rng.IntN(200))
	extra := map[string]string{"clock": "xclock -digital -update 1 -geometry 220x40-20-20 &", "eyes": "xeyes -geometry 160x100-20-20 &"}[r.Param("extra")]
	files := map[string]string{
		".session": fmt.Sprintf(session, colour), ".windows": fmt.Sprintf(windows, extra, textX, textY, font, shellX, shellY, font), ".deskrc": rc, ".done": "",
	}
	if err := h.WriteFiles("/home/"+d.User, files); err != nil {
		return nil, err
	}
	_, err := h.Run(ctx, lab.Command{Args: []string{"sh", "-c", `cd "$1" && chown "$2": .session .windows .deskrc .done && chmod 755 .session .windows`, "sh", "/home/" + d.User, d.User}})
	return d, err
}

// Start starts the session on a display of the host, for servers that show one.
func (d *Desktop) Start(ctx context.Context, display string) (*lab.Process, error) {
	return d.Host.Start(ctx, lab.Command{
		Args: []string{"/home/" + d.User + "/.session"}, User: d.User,
		Env: []string{"DISPLAY=" + display, "HOME=/home/" + d.User, "LC_ALL=C.UTF-8"},
	})
}

// Up waits until the session is there, which a viewer wants to show.
func (d *Desktop) Up(ctx context.Context, viewer *lab.Process) error {
	there := false
	// X11 over a satellite takes some hundred round trips.
	err := Until(ctx, 5*time.Minute, "no session", func() bool {
		_, err := d.Host.Read("/home/" + d.User + "/.up")
		there = err == nil
		select {
		case <-viewer.Done():
			return true
		default:
			return there
		}
	})
	if err != nil || !there {
		return fmt.Errorf("no session began: %v\n%s\n%s", err, last(viewer.Output()), last(d.server()))
	}
	return nil
}

// person works on a desktop.
type person struct {
	r       *lab.Run
	sel     lab.Selector
	desktop *Desktop
	display *Display // on which they see it
	hands   *Hands
	rng     *rand.Rand
	entered func() // is called when a command is entered, if not nil
}

// Work is a person's time on the desktop, which they see on a display: what the
// run's parameters say, told as segments of the flows of sel.
func (d *Desktop) Work(ctx context.Context, r *lab.Run, sel lab.Selector, display *Display) error {
	hands, err := NewHands(ctx, r, display)
	if err != nil {
		return err
	}
	r.Keys(sel, hands.Keyboard)
	p := &person{r: r, sel: sel, desktop: d, display: display, hands: hands, rng: r.NewRand("person")}
	role, err := typist.ParseRole(r.Param("role"))
	if err != nil {
		return err
	}
	commands := role.Commands(r.ParamInt("actions"), p.rng)
	for i := range r.ParamInt("actions") {
		if err := p.idle(ctx, r.Typist().Think(300, p.rng)); err != nil {
			return err
		}
		// The first one shows whether keys arrive.
		choice := p.rng.IntN(10)
		switch {
		case i == 0 || choice < 4:
			err = p.command(ctx, commands[i].Text, "typing")
		case choice < 5:
			err = p.command(ctx, fmt.Sprintf("timeout %d ico -geometry 260x200-40-120 -sleep 0.0%d", 2+p.rng.IntN(3), 4+p.rng.IntN(4)), "animation")
		case choice < 6:
			err = p.command(ctx, "cat logs/access.log | head -"+fmt.Sprint(100+p.rng.IntN(400)), "typing, scrolling")
		case choice < 7:
			err = p.read(ctx)
		case choice < 8:
			err = p.drag(ctx)
		case choice < 9:
			err = p.wander(ctx)
		default:
			err = p.idle(ctx, time.Duration(6000+p.rng.IntN(14000))*time.Millisecond)
		}
		if err != nil {
			return fmt.Errorf("action %d: %w", i, err)
		}
	}
	return nil
}

func (p *person) idle(ctx context.Context, d time.Duration) error {
	end := p.r.Segment(p.sel, label.StateIdle, "")
	defer end()
	return p.r.Sleep(ctx, d)
}

// seen does something that must change what is seen, and tells it.
func (p *person) seen(ctx context.Context, detail string, do func() error) error {
	before, err := p.display.Picture(ctx)
	if err != nil {
		return err
	}
	end := p.r.Segment(p.sel, label.StateScreen, detail)
	defer end()
	if err := do(); err != nil {
		return err
	}
	return p.display.Changes(ctx, before)
}

// command types a command into the shell's window, and waits until it was run
// there.
func (p *person) command(ctx context.Context, text, detail string) error {
	d := p.desktop
	return p.seen(ctx, detail+": "+text, func() error {
		if err := p.hands.Move(ctx, shellX+60+p.rng.IntN(200), shellY+80+p.rng.IntN(100)); err != nil {
			return err
		}
		if err := p.hands.Click(ctx, 1); err != nil {
			return err
		}
		// The hand goes back to the keyboard.
		if err := pause(ctx, time.Duration(700+p.rng.IntN(700))*time.Millisecond); err != nil {
			return err
		}
		if err := p.hands.Press(ctx, p.r.Typist().Keys(text+"\n", p.rng)); err != nil {
			return err
		}
		if p.entered != nil {
			p.entered()
		}
		d.done++
		last := ""
		err := Until(ctx, 90*time.Second, "not run: "+text, func() bool {
			data, err := d.Host.Read("/home/" + d.User + "/.done")
			lines := strings.Split(strings.TrimSpace(string(data)), "\n")
			last = lines[len(lines)-1]
			return err == nil && len(lines) >= d.done && strings.HasSuffix(last, "  "+text)
		})
		if err != nil {
			return fmt.Errorf("%w; the last that ran is %q", err, last)
		}
		// The picture of the answer is on its way.
		return pause(ctx, 200*time.Millisecond+p.r.Profile().RTT.Duration())
	})
}

// read turns pages of the long text.
func (p *person) read(ctx context.Context) error {
	return p.seen(ctx, "reading", func() error {
		if err := p.hands.Move(ctx, p.desktop.x+100+p.rng.IntN(200), p.desktop.y+100+p.rng.IntN(60)); err != nil {
			return err
		}
		if err := p.hands.Click(ctx, 1); err != nil {
			return err
		}
		for range 2 + p.rng.IntN(6) {
			if err := p.hands.Press(ctx, p.r.Typist().Press([]string{[]string{" ", " ", "j", "d"}[p.rng.IntN(4)]}, p.rng)); err != nil {
				return err
			}
			if err := p.r.Sleep(ctx, time.Duration(400+p.rng.IntN(2500))*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	})
}

// drag moves the window of the long text by its title.
func (p *person) drag(ctx context.Context) error {
	x := min(max(p.desktop.x+p.rng.IntN(240)-120, textX-60), max(p.display.Width-500, textX))
	y := min(max(p.desktop.y+p.rng.IntN(200)-100, 10), p.display.Height-320)
	if x == p.desktop.x && y == p.desktop.y {
		x += 40
	}
	return p.seen(ctx, "window moved", func() error {
		const inTitle, title = 150, 10
		if err := p.hands.Drag(ctx, p.desktop.x+inTitle, p.desktop.y+title, x+inTitle, y+title); err != nil {
			return err
		}
		p.desktop.x, p.desktop.y = x, y
		return pause(ctx, 200*time.Millisecond)
	})
}

// wander moves the pointer about.
func (p *person) wander(ctx context.Context) error {
	end := p.r.Segment(p.sel, label.StateScreen, "pointer moved")
	defer end()
	for range 2 + p.rng.IntN(5) {
		if err := p.hands.Move(ctx, p.rng.IntN(p.display.Width), p.rng.IntN(p.display.Height)); err != nil {
			return err
		}
		if err := p.r.Sleep(ctx, time.Duration(100+p.rng.IntN(900))*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
