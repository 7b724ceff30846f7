package hunt

// Operator is an operator of the language, with what the reference says of it.
type Operator struct {
	Name    string
	Usage   string
	Doc     string
	Example string

	parse func(*parser) (Step, error)
}

// Operators returns the operators in the order of the reference.
func Operators() []Operator { return operators() }

// operators is a function, as the parsers refer to it.
func operators() []Operator {
	return []Operator{
		whereOperator, fieldsOperator, extendOperator, statsOperator, topOperator, rareOperator, timelineOperator, sortOperator, limitOperator,
		latestOperator, firstOperator, newOperator, withOperator, didOperator, didntOperator, thenOperator, toOperator, fromOperator, likeOperator,
		pathOperator,
	}
}
