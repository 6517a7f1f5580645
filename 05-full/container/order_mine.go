//go:build linux && mine

// Exercise 05-full/assembly: twelve parts in the right order make a container
//
// Return all twelve parts in an order in which each can be done, and none undoes what
// another did. config.go lists them; Ready isn't one of them, it follows by itself. There is more
// than one right order. Ask for each part what it needs to have been done before, and what it makes
// impossible afterwards. The function do (init.go) shows what each part does. When this is solved,
// the whole container is your own code, PID 1 included.
//
// Read: 05-full/container/init.go, do, pivot_root(2), user_namespaces(7), "Interaction of user namespaces and other types of namespaces", capabilities(7)
// Check: go run ./lessons check 05-full/assembly

package container

import "containerkit/lessons/kit/todo"

// order returns the parts in the order in which PID 1 builds the container. The order matters
// almost everywhere; each line says why. After the last part the container is Ready.
func order() ([]Part, error) {
	return nil, todo.Exercise("05-full/assembly")
}
