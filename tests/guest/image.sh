# What the scripts that build images of guests share; they source it, with $script for their messages, and with $work, a
# scratch folder, and $root, the folder that becomes the image, once they have them.

# fio's libraries that a guest needs; the rest (Ceph, Gluster, RDMA...: 100 MB) are replaced by an empty one.
libraries_kept='^(ld-linux.*|libc|libm|libz|libaio|libnuma|libpthread|libdl)\.so'

die() {
	echo "$script: $*" >&2
	exit 1
}

need_programs() {
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || die "$program is missing; run tools/install-dependencies"
	done
}

# The modules given, with what they depend on, out of a kernel package that was unpacked in $work/kernel. Init loads them in
# the order of the list that is left beside them.
add_modules() {
	local release module file
	release=$(basename "$work"/kernel/lib/modules/*)
	depmod -b "$work/kernel" "$release"
	for module in "$@"; do
		modprobe -d "$work/kernel" -S "$release" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$work/modules"
	while read -r file; do
		cp "$file" "$root/lib/modules/"
		basename "$file"
	done <"$work/modules" >"$root/lib/modules/order"
}

# An object that has the names of all libraries left out and every symbol that fio wants from them. Libraries that are there for
# other programs stay, so these must be added before fio.
add_stub_library() {
	local fio=$1
	shift
	objdump -T "$fio" | awk '$4 == "*UND*" || $3 == "*UND*" { print $(NF - 1), $NF }' |
		tr -d '()' | grep -vE '^(GLIBC_|LIBAIO_|libnuma_)' |
		grep -vE ' (_ITM_|__gmon|deflate|inflate|crc32|__cxa)' >"$work/symbols" || true
	awk '{ printf "void %s(void) { __builtin_trap(); }\n", $2 }' "$work/symbols" >"$work/stub.c"
	awk '$1 != "Base" { of[$1] = of[$1] " " $2 ";" }
		END { for (v in of) printf "%s { global:%s };\n", v, of[v] }' "$work/symbols" >"$work/stub.map"
	gcc -shared -fPIC -w -o "$root/lib64/stub.so" "$work/stub.c" -Wl,--version-script="$work/stub.map"
	local name
	for name in "$@"; do
		[ -e "$root/lib64/$name" ] || ln -s stub.so "$root/lib64/$name"
	done
}

# A program of the host, or the file given, with its libraries.
add_program() {
	local program=$1 path=${2:-$(command -v "$1")} left_out=() name
	cp "$path" "$root/bin/$program"
	while read -r name; do
		if [ "$program" != fio ] || [[ $name =~ $libraries_kept ]]; then
			add_library "$path" "$name"
		else
			left_out+=("$name")
		fi
	done < <(objdump -p "$path" | awk '$1 == "NEEDED" { print $2 }')
	[ ${#left_out[@]} = 0 ] || add_stub_library "$path" "${left_out[@]}"
}

# A library and what it needs itself, found by the loader as the host does.
add_library() {
	local of=$1 name=$2 path need
	[ -e "$root/lib64/$name" ] && return
	path=$(ldd "$of" | awk -v name="$name" '$1 == name { print $3 }')
	[ -n "$path" ] || return 0
	cp -L "$path" "$root/lib64/$name"
	for need in $(objdump -p "$path" | awk '$1 == "NEEDED" { print $2 }'); do
		add_library "$path" "$need"
	done
}

# What every dynamic program needs, and everything that busybox can do and no program was added for.
add_loader_and_busybox() {
	local applet
	cp -L /lib64/ld-linux-x86-64.so.2 "$root/lib64/"
	ln -s ../lib64 "$root/lib/x86_64-linux-gnu" # where Debian's loader looks
	cp "$(command -v busybox)" "$root/bin/busybox"
	for applet in $(busybox --list); do
		[ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
	done
}

# $root as an initramfs.
pack_initramfs() {
	(cd "$root" && find . -print0 | cpio --quiet --null -o -H newc -R 0:0)
}
