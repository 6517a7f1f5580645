// diagnosis: politely
//go:build linux && mine

package cgroup

func killOneByOne(string) error { return nil }
