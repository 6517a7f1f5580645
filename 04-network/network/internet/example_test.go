//go:build linux

package internet_test

import (
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"containerkit/04-network/network/internet"
)

// Greet tells a client from which address it came. So a container sees its address after NAT.
func ExampleGreet() {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go internet.Greet(l)
	client := http.Client{Transport: &http.Transport{}} // no proxy
	answer, err := client.Get("http://" + l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		log.Fatal(err)
	}
	// Output: hello, 127.0.0.1
}
