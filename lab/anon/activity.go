package anon

import "tyto/lab/label"

// Plain are the labels of a session that does one of inner's activities in the
// open, by the activity's name.
var Plain = map[string]label.Label{
	"browse": label.Browse, "download": label.Download, "idle": label.Keepalive, "shell": label.Shell, "stream": label.Stream, "upload": label.Upload,
}
