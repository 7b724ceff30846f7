package hunt

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"tyto/store"
)

// tokenKind is the kind of a token.
type tokenKind uint8

const (
	endToken    tokenKind = iota
	wordToken             // a name, number or value without quotes
	quotedToken           // a value in quotes; text is what it stands for
	nameToken             // a name in backquotes; text is what it stands for
	markToken             // punctuation
)

type token struct {
	kind tokenKind
	text string
	at   int // byte of the query where it starts
	end  int
}

// maxDepth is how deep queries and expressions may nest.
const maxDepth = 64

// parser reads the tokens of a query.
type parser struct {
	text   string
	tokens []token
	pos    int
	depth  int
}

// marks are the punctuation, longer ones first.
var marks = []string{"==", "!=", "<=", ">=", "|", "(", ")", ",", "=", "<", ">", "+"}

// lex cuts the query into tokens.
func (p *parser) lex() error {
	for at := 0; at < len(p.text); {
		r, n := utf8.DecodeRuneInString(p.text[at:])
		switch {
		case r == utf8.RuneError && n == 1:
			return p.fail(token{at: at}, "the query is not UTF-8 here")
		case unicode.IsSpace(r):
			at += n
			continue
		case r == '"':
			t, err := p.quoted(at)
			if err != nil {
				return err
			}
			p.tokens, at = append(p.tokens, t), t.end
			continue
		case r == '`':
			end := strings.IndexByte(p.text[at+1:], '`')
			if end < 1 {
				return p.fail(token{at: at}, "the name in backquotes is empty or not closed")
			}
			t := token{nameToken, p.text[at+1 : at+1+end], at, at + end + 2}
			if !utf8.ValidString(t.text) {
				return p.fail(t, "the name is not UTF-8")
			}
			p.tokens, at = append(p.tokens, t), t.end
			continue
		}
		t := p.mark(at)
		if t.end == at {
			t = p.word(at)
		}
		if t.end == at {
			return p.fail(t, "%q has no meaning here; put values with such characters in double quotes", r)
		}
		p.tokens, at = append(p.tokens, t), t.end
	}
	p.tokens = append(p.tokens, token{kind: endToken, at: len(p.text), end: len(p.text)})
	return nil
}

func (p *parser) quoted(at int) (token, error) {
	prefix, err := strconv.QuotedPrefix(p.text[at:])
	if err != nil {
		return token{}, p.fail(token{at: at}, `the quote is not closed, or holds an escape that is none; write \" and \\ for " and \`)
	}
	text, err := strconv.Unquote(prefix)
	if err != nil || !utf8.ValidString(text) {
		return token{}, p.fail(token{at: at}, "the text in quotes is not UTF-8")
	}
	return token{quotedToken, text, at, at + len(prefix)}, nil
}

func (p *parser) mark(at int) token {
	for _, m := range marks {
		if strings.HasPrefix(p.text[at:], m) {
			return token{markToken, m, at, at + len(m)}
		}
	}
	return token{at: at, end: at}
}

// word reads a word; *, / and - by themselves are marks.
func (p *parser) word(at int) token {
	end := at
	for end < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[end:])
		if !wordRune(r) || r == utf8.RuneError && n == 1 {
			break
		}
		end += n
	}
	t := token{wordToken, p.text[at:end], at, end}
	if t.text == "*" || t.text == "/" || t.text == "-" {
		t.kind = markToken
	}
	return t
}

// wordRune reports whether a character may be part of a word.
func wordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_.-:/@*#%$~\\", r)
}

// isWord reports whether a text reads as one word.
func isWord(s string) bool {
	if s == "" || s == "*" || s == "/" || s == "-" {
		return false
	}
	for _, r := range s {
		if !wordRune(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// keywords cannot be values without quotes or names without backquotes.
var keywords = map[string]bool{
	"and": true, "or": true, "not": true, "in": true, "exists": true, "contains": true, "startswith": true, "endswith": true, "matches": true,
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != endToken {
		p.pos++
	}
	return t
}

// take passes over a mark or a word of the language.
func (p *parser) take(text string) bool {
	t := p.peek()
	if (t.kind == markToken || t.kind == wordToken) && t.text == text {
		p.pos++
		return true
	}
	return false
}

// need is take, or an error.
func (p *parser) need(text string) error {
	if !p.take(text) {
		return p.wants(p.peek(), text)
	}
	return nil
}

// name reads a name: of a field or a column. Backquotes are for names that read
// as something else.
func (p *parser) name(what string) (name, error) {
	t := p.next()
	if t.kind == nameToken || t.kind == wordToken && !keywords[t.text] && !startsNumber(t.text) {
		return name{t.text, p.column(t)}, nil
	}
	return name{}, p.wants(t, what)
}

// name is a name and where it stands.
type name struct {
	text   string
	column int
}

func (n name) String() string { return quoteName(n.text) }

// quoteName writes a name: in backquotes if it would read as a number or a word
// of the language.
func quoteName(s string) string {
	if isWord(s) && !keywords[s] && !startsNumber(s) {
		return s
	}
	return "`" + s + "`"
}

func startsNumber(s string) bool {
	return s[0] >= '0' && s[0] <= '9' || len(s) > 1 && (s[0] == '-' || s[0] == '.') && s[1] >= '0' && s[1] <= '9'
}

// names reads a list of names.
func (p *parser) names(what string) ([]name, error) {
	var list []name
	for {
		n, err := p.name(what)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		if !p.take(",") {
			return list, nil
		}
	}
}

func joinNames(list []name) string {
	var b []string
	for _, n := range list {
		b = append(b, n.String())
	}
	return strings.Join(b, ", ")
}

// number reads a whole number of at least 1.
func (p *parser) number(what string) (int, error) {
	t := p.next()
	n, err := strconv.Atoi(t.text)
	if t.kind != wordToken || err != nil || n < 1 || n > 1_000_000_000 {
		return 0, p.wants(t, what)
	}
	return n, nil
}

// duration reads a length of time above 0.
func (p *parser) duration(what string) (duration, error) {
	t := p.next()
	d, ok := parseDuration(t.text)
	if t.kind != wordToken || !ok || d <= 0 {
		return 0, p.wants(t, what+", as 30s, 5m, 1h30m or 7d")
	}
	return d, nil
}

// column returns where a token stands, in characters from 1.
func (p *parser) column(t token) int { return utf8.RuneCountInString(p.text[:t.at]) + 1 }

func (p *parser) fail(t token, format string, args ...any) error {
	return &Error{p.column(t), fmt.Sprintf(format, args...)}
}

// wants says what should stand where a token stands.
func (p *parser) wants(t token, what string) error {
	if t.kind == endToken {
		return p.fail(t, "here the query ends; %s should follow", what)
	}
	return p.fail(t, "%s should stand here, not %s", what, strconv.Quote(p.text[t.at:t.end]))
}

// unknown says that a word is not one of those known.
func (p *parser) unknown(t token, what string, known []string) error {
	if t.kind != wordToken {
		return p.wants(t, "an "+what)
	}
	return &Error{p.column(t), (&store.NameError{What: what, Name: t.text, Known: known}).Error()}
}
