//go:build !linux

package doctor

import (
	"runtime"

	"containerkit/lessons/kit/course"
)

const advice = "Use a Linux VM: Lima or Colima on macOS, WSL2 on Windows; then ask the doctor there."

func facts() []Fact { return []Fact{{"system", runtime.GOOS, advice}} }

func try(course.Feature) Result {
	return Result{Outcome: Unsupported, Why: "containers are a feature of the Linux kernel, and this is " + runtime.GOOS, Fix: advice}
}
