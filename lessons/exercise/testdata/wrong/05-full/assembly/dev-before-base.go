// diagnosis: root-not-begun

//go:build linux && mine

package container

func order() ([]Part, error) {
	return []Part{Born, Named, Dev, Base, Etc, Proc, Sys, Volumes, Pivoted, Covered, Connected, Walled}, nil
}
