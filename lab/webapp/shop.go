package webapp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"tyto/lab/typist"
)

// Shop is the database of a web shop, and what somebody asks of it.
type Shop struct {
	cities []string // of the customers
	items  []string // of the orders
	cents  []int    // amounts of the orders
	rng    *rand.Rand
}

// NewShop draws a shop with so many customers and three times as many orders.
func NewShop(customers int, rng *rand.Rand) *Shop {
	s := &Shop{rng: rng}
	for range customers {
		s.cities = append(s.cities, draw(rng, "Aarhus", "Bergen", "Cork", "Dresden", "Essen", "Faro", "Graz"))
	}
	for range 3 * customers {
		s.items = append(s.items, draw(rng, "cable", "switch", "lamp", "chair", "desk", "monitor"))
		s.cents = append(s.cents, 100+rng.IntN(99900))
	}
	return s
}

func draw(rng *rand.Rand, values ...string) string { return values[rng.IntN(len(values))] }

// SQL makes its tables.
func (s *Shop) SQL() string {
	var b strings.Builder
	b.WriteString("create table customers (id int primary key, name varchar(40), city varchar(40));\n" +
		"create table orders (id int primary key, customer int, item varchar(40), amount decimal(10,2));\n")
	for i, city := range s.cities {
		fmt.Fprintf(&b, "insert into customers values (%d, 'customer %03d', '%s');\n", i, i, city)
	}
	for i, item := range s.items {
		fmt.Fprintf(&b, "insert into orders values (%d, %d, '%s', %d.%02d);\n", i, s.rng.IntN(len(s.cities)), item, s.cents[i]/100, s.cents[i]%100)
	}
	return b.String()
}

// Questions draws n commands. tables and columns are the dialect's commands
// that list the tables and the columns of "orders"; updated is what it prints
// when one row was changed.
func (s *Shop) Questions(n int, tables, columns, updated string) (all []typist.Command) {
	for len(all) < n {
		c := s.question(tables, columns, updated)
		if len(all) == 0 || c.Text != all[len(all)-1].Text {
			all = append(all, c)
		}
	}
	return all
}

func (s *Shop) question(tables, columns, updated string) typist.Command {
	order := s.rng.IntN(len(s.items))
	switch s.rng.IntN(9) {
	case 0:
		return typist.Command{Text: tables, Want: "customers"}
	case 1:
		return typist.Command{Text: columns, Want: "amount"}
	case 2:
		item := s.items[order]
		count := 0
		for _, other := range s.items {
			if other == item {
				count++
			}
		}
		return typist.Command{Text: fmt.Sprintf("select count(*), avg(amount) from orders where item = '%s';", item), Want: fmt.Sprint(count)}
	case 3:
		most := slices.Max(s.cents)
		return typist.Command{Text: "select id, customer, amount from orders order by amount desc limit 5;", Want: fmt.Sprintf("%d.%02d", most/100, most%100)}
	case 4:
		return typist.Command{Text: "select city, count(*) from customers group by city order by 2 desc;", Want: s.cities[s.rng.IntN(len(s.cities))]}
	case 5:
		return typist.Command{Text: fmt.Sprintf("select * from customers where id = %d;", order%len(s.cities)), Want: s.cities[order%len(s.cities)]}
	case 6:
		return typist.Command{Text: fmt.Sprintf("update orders set customer = %d where id = %d;", s.rng.IntN(20), order), Want: updated}
	case 7:
		return typist.Command{Text: fmt.Sprintf("select o.id, c.name, o.amount from orders o join customers c on c.id = o.customer where o.id < %d order by o.id;", 10+s.rng.IntN(40)), Want: "customer 0"}
	}
	return typist.Command{Text: fmt.Sprintf("select * from customers order by id limit %d;", 20+s.rng.IntN(60)), Want: "customer 019"}
}
