// diagnosis: volumes-too-early

//go:build linux && mine

package container

func order() ([]Part, error) {
	return []Part{Born, Named, Base, Volumes, Etc, Dev, Proc, Sys, Pivoted, Covered, Connected, Walled}, nil
}
