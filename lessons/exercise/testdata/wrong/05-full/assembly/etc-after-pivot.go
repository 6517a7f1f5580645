// diagnosis: volumes-too-early

//go:build linux && mine

package container

func order() ([]Part, error) {
	return []Part{Born, Named, Base, Dev, Proc, Sys, Volumes, Pivoted, Etc, Covered, Connected, Walled}, nil
}
