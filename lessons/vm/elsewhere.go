package vm

import (
	"errors"
	"fmt"
)

// elsewhere is the shortest way to a Linux machine from another system. There, every lesson runs, and so does this VM.
func elsewhere(goos string) error {
	switch goos {
	case "darwin":
		return errors.New(`the course needs Linux. The shortest way on macOS is Lima, in this checkout:
  brew install lima
  limactl start --name=containerkit docs/vm/lima.yaml
  limactl shell containerkit go run ./lessons doctor
docs/vm/README.md tells more`)
	case "windows":
		return errors.New(`the course needs Linux. The shortest way on Windows is WSL 2, in this checkout:
  wsl --install -d Ubuntu
  wsl sh docs/vm/wsl.sh
  wsl go run ./lessons doctor
docs/vm/README.md tells more`)
	}
	return fmt.Errorf("the course needs Linux, and this is %s; docs/vm/README.md tells how to get one", goos)
}
