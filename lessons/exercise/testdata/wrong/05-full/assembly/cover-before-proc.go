// diagnosis: cover-too-early

//go:build linux && mine

package container

func order() ([]Part, error) {
	return []Part{Born, Named, Base, Etc, Dev, Covered, Proc, Sys, Volumes, Pivoted, Connected, Walled}, nil
}
