// diagnosis: twice

//go:build linux && mine

package container

func order() ([]Part, error) {
	return []Part{Born, Named, Base, Etc, Dev, Proc, Sys, Volumes, Pivoted, Covered, Connected, Walled, Ready}, nil
}
