// diagnosis: proc-after-pivot

//go:build linux && mine

package container

func order() ([]Part, error) {
	return []Part{Born, Named, Base, Etc, Dev, Sys, Volumes, Pivoted, Proc, Covered, Connected, Walled}, nil
}
