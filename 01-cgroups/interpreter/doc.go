// Package interpreter says which file execve(2) misses if it fails with ENOENT although the program is
// there: the interpreter that a script's first line or the head of an ELF file names.
//
// Call Blame in the process that called execve(2), before its root or its working directory changes:
// only there the names lead to the files that the kernel looked for. Do not use the package to find out
// beforehand whether a program can run. The kernel knows, and the files can change in between.
package interpreter
