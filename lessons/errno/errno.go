// Package errno turns an error of the kernel into what it meant here and what to do about it.
package errno

// Explain returns one or two sentences on an error, or nothing if there is nothing to add.
func Explain(err error) string { return "" }
