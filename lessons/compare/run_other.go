//go:build !linux

package compare

import (
	"context"
	"errors"
)

// Run refuses: the containers are Linux's.
func Run(context.Context, Config) ([]Row, error) {
	return nil, errors.New("compare measures Linux containers: run it on Linux")
}

// Here refuses as well.
func Here() (Machine, error) { return Machine{}, errors.New("compare measures on Linux") }
