//go:build linux

package lo_test

import (
	"log"

	"containerkit/04-network/network/lo"
)

// In a new network namespace the loopback interface is down, so not even 127.0.0.1 answers.
// Up needs CAP_NET_ADMIN over that namespace.
func ExampleUp() {
	if err := lo.Up(); err != nil {
		log.Fatal(err)
	}
}
