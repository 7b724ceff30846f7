package baseline

// App goes by what a session was recognised as, and by nothing else: what can
// be told without listening.
type App struct {
	task  Task
	prior []float64
	seen  map[string][]float64 // by what was recognised: probability of each class
}

// appLean is how many sessions' weight the frequencies in all sessions have.
const appLean = 5

// NewApp returns an App that knows nothing.
func NewApp(t Task) *App { return &App{task: t} }

// Fit counts classes by what was recognised.
func (a *App) Fit(examples []Example) {
	a.prior, a.seen = a.task.frequencies(examples), make(map[string][]float64)
	counts := make(map[string]float64)
	for i := range examples {
		e := &examples[i]
		if a.seen[e.App] == nil {
			a.seen[e.App] = make([]float64, len(a.task.Names))
		}
		counts[e.App]++
		for _, k := range e.Classes {
			a.seen[e.App][k]++
		}
	}
	for app, p := range a.seen {
		for k := range p {
			p[k] = (p[k] + appLean*a.prior[k]) / (counts[app] + appLean)
		}
	}
}

// Predict is how frequent the classes are where the same was recognised.
func (a *App) Predict(e *Example) []float64 {
	if p := a.seen[e.App]; p != nil {
		return append([]float64(nil), p...)
	}
	return append([]float64(nil), a.prior...)
}

// Majority always says how frequent the classes are.
type Majority struct {
	task  Task
	prior []float64
}

// NewMajority returns a Majority that knows nothing.
func NewMajority(t Task) *Majority { return &Majority{task: t} }

// Fit counts classes.
func (m *Majority) Fit(examples []Example) { m.prior = m.task.frequencies(examples) }

// Predict does not look at the session.
func (m *Majority) Predict(*Example) []float64 { return append([]float64(nil), m.prior...) }
