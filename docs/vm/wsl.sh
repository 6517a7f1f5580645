#!/bin/sh
# Makes a WSL 2 distribution (Ubuntu, Debian) ready for the course. Run it in the checkout: wsl sh docs/vm/wsl.sh
set -eu

if ! grep -qi microsoft /proc/version; then
	echo "this is not WSL; on any other Linux: go run ./lessons doctor" >&2
	exit 2
fi
case $(uname -r) in
[1-4].*)
	echo "this is WSL 1, which has no Linux kernel; in PowerShell: wsl --set-version \$WSL_DISTRO_NAME 2" >&2
	exit 1
	;;
esac

sudo apt-get update
sudo apt-get install -y --no-install-recommends util-linux iproute2 nftables procps iputils-ping golang-go
go env -w GOTOOLCHAIN=auto # the distribution's Go fetches the one that go.mod asks for

# systemd delegates a cgroup to each user; without root, the lessons on cgroups need that. WSL has to restart for it.
if [ "$(ps -p 1 -o comm=)" != systemd ]; then
	if ! grep -qs '^systemd=true' /etc/wsl.conf; then
		printf '[boot]\nsystemd=true\n' | sudo tee -a /etc/wsl.conf
	fi
	echo "now, in PowerShell: wsl --shutdown; and then: wsl go run ./lessons doctor"
	# Older versions of WSL mount cgroup v1 beside v2, unless the kernel is told not to.
	echo "for cgroup v2 alone, in %UserProfile%\\.wslconfig: [wsl2] and below it kernelCommandLine=cgroup_no_v1=all"
	exit 0
fi
go run ./lessons doctor
