package model

// Weigh is weigh for the tests.
var Weigh = weigh
