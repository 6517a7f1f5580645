// diagnosis: dev-after-pivot

//go:build linux && mine

package container

func order() ([]Part, error) {
	return []Part{Born, Named, Base, Etc, Proc, Sys, Volumes, Pivoted, Dev, Covered, Connected, Walled}, nil
}
