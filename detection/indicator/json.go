package indicator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// readJSON reads a STIX bundle or a MISP event.
func (l *List) readJSON(data []byte) error {
	isSTIX, isMISP := false, false
	w := walker{data: data, dec: json.NewDecoder(bytes.NewReader(data)), take: map[string]func(json.RawMessage, int){
		"objects":   func(v json.RawMessage, line int) { isSTIX = true; l.stix(v, line) },
		"Attribute": func(v json.RawMessage, line int) { isMISP = true; l.attribute(v, line) },
	}}
	if err := w.value(0); err != nil {
		return err
	}
	switch {
	case isSTIX && !isMISP:
		l.Format = "stix"
	case isMISP:
		l.Format = "misp"
		l.event(data)
	default:
		return errors.New("JSON without STIX objects or MISP attributes; give a STIX 2 bundle or an export of a MISP event")
	}
	return nil
}

// walker goes through JSON and hands over the elements of arrays under some keys.
type walker struct {
	data []byte
	dec  *json.Decoder
	take map[string]func(element json.RawMessage, line int)

	at, line int // position up to which lines were counted
}

const maxDepth = 64

// lineHere returns the line of the next value.
func (w *walker) lineHere() int {
	to := int(w.dec.InputOffset())
	for to < len(w.data) && strings.IndexByte(" \t\r\n,:", w.data[to]) >= 0 {
		to++
	}
	w.line += bytes.Count(w.data[w.at:to], []byte{'\n'})
	w.at = to
	return w.line + 1
}

func (w *walker) value(depth int) error {
	t, err := w.dec.Token()
	if err != nil {
		return fmt.Errorf("malformed JSON at line %d: %w", w.lineHere(), err)
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth > maxDepth {
		return fmt.Errorf("JSON is nested deeper than %d levels at line %d", maxDepth, w.lineHere())
	}
	for w.dec.More() {
		var take func(json.RawMessage, int)
		if delim == '{' {
			key, err := w.dec.Token()
			if err != nil {
				return fmt.Errorf("malformed JSON at line %d: %w", w.lineHere(), err)
			}
			name, _ := key.(string)
			take = w.take[name]
		}
		if take == nil {
			if err := w.value(depth + 1); err != nil {
				return err
			}
			continue
		}
		if err := w.elements(take); err != nil {
			return err
		}
	}
	_, err = w.dec.Token()
	return err
}

// elements hands over the elements of an array.
func (w *walker) elements(take func(json.RawMessage, int)) error {
	t, err := w.dec.Token()
	if err == nil && t != json.Delim('[') {
		err = errors.New("not an array")
	}
	for err == nil && w.dec.More() {
		line := w.lineHere()
		var v json.RawMessage
		if err = w.dec.Decode(&v); err == nil {
			take(v, line)
		}
	}
	if err == nil {
		_, err = w.dec.Token()
	}
	if err != nil {
		return fmt.Errorf("malformed JSON at line %d: %w", w.lineHere(), err)
	}
	return nil
}

// attribute reads an attribute of a MISP event.
func (l *List) attribute(v json.RawMessage, line int) {
	var a struct {
		UUID, Type, Value, Comment, Category string
		ToIDs                                any `json:"to_ids"`
		Deleted                              bool
		Tag                                  []struct{ Name string }
	}
	if err := json.Unmarshal(v, &a); err != nil {
		l.skip("malformed attribute", line)
		return
	}
	if a.Deleted || a.ToIDs != true && a.ToIDs != "1" {
		l.skip("not for detection (to_ids is not set)", line)
		return
	}
	e, reason := indicateAs(a.Type, a.Value)
	if reason != "" {
		l.skip(reason, line)
		return
	}
	e.Line, e.ID, e.Confidence = line, a.UUID, Unsaid
	e.Description = first(a.Comment, a.Category)
	if a.Type == "ip-src" || a.Type == "ip-src|port" {
		e.Description = first(a.Comment, "source of attacks")
	}
	for _, t := range a.Tag {
		e.Labels = append(e.Labels, t.Name)
		e.Confidence = taggedConfidence(t.Name, e.Confidence)
	}
	l.Entries = append(l.Entries, e)
}

// event notes what the event says of all its attributes, if the file has one.
func (l *List) event(data []byte) {
	type event struct {
		Info string
		Tag  []struct{ Name string }
	}
	var file struct {
		Event    event
		Response json.RawMessage
	}
	if json.Unmarshal(data, &file) != nil {
		return
	}
	var several []struct{ Event event }
	if json.Unmarshal(file.Response, &several) == nil && len(several) == 1 {
		file.Event = several[0].Event
	}
	for i := range l.Entries {
		e := &l.Entries[i]
		if file.Event.Info != "" {
			e.Description = file.Event.Info + ": " + e.Description
		}
		for _, t := range file.Event.Tag {
			e.Labels = append(e.Labels, t.Name)
			e.Confidence = taggedConfidence(t.Name, e.Confidence)
		}
	}
}

// taggedConfidence reads the confidence that a MISP tag tells, of the taxonomies
// that are usual: misp:confidence-level and admiralty-scale.
func taggedConfidence(tag string, before int) int {
	tag = strings.ToLower(tag)
	for word, c := range map[string]int{
		`confidence-level="completely-confident"`: 95, `confidence-level="usually-confident"`: 75, `confidence-level="fairly-confident"`: 50,
		`confidence-level="rarely-confident"`: 25, `confidence-level="unconfident"`: 10,
		`information-credibility="1"`: 90, `information-credibility="2"`: 75, `information-credibility="3"`: 50, `information-credibility="4"`: 25, `information-credibility="5"`: 10,
	} {
		if strings.HasSuffix(tag, word) {
			return c
		}
	}
	return before
}
