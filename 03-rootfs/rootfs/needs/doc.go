// Package needs tells which files a program needs to run: the interpreter that its ELF header names, and the shared
// libraries, theirs included. It reads the files. It does not run ldd, which on some systems runs the program.
//
// What it does not see: what a program opens by itself, like plug-ins (dlopen(3)), locales, configuration.
package needs
