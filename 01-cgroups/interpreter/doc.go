// Package interpreter names the file that execve(2) misses if it fails with ENOENT although the
// program exists. That file is the interpreter of a script (named in its first line), or of an ELF
// file (the dynamic loader).
//
// Call Blame in the process that called execve(2), before its root or its working directory
// changes: only there do the names lead to the files that the kernel looked for. Do not use the
// package to check in advance whether a program can run. The kernel knows, and the files can change
// in between.
package interpreter
