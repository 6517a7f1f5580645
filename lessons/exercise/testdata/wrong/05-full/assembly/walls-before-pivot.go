// diagnosis: walls-too-early

//go:build linux && mine

package container

func order() ([]Part, error) {
	return []Part{Born, Named, Base, Etc, Dev, Proc, Sys, Volumes, Walled, Pivoted, Covered, Connected}, nil
}
