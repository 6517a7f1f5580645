//go:build linux

package interpreter_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"containerkit/01-cgroups/interpreter"
)

// The script exists, and execve(2) fails with ENOENT. Blame names the missing file.
func ExampleBlame() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	script := dir + "/script"
	_ = os.WriteFile(script, []byte("#!/no/such/shell -e\n"), 0o755)
	err = interpreter.Blame(exec.Command(script).Run())
	fmt.Println(strings.ReplaceAll(err.Error(), dir, "DIR"))
	// Output:
	// fork/exec DIR/script: its interpreter "/no/such/shell" is missing: no such file or directory
}
