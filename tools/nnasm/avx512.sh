#!/bin/sh
# Runs the tests of nn/kernel on an emulated processor with AVX-512 (Bochs), for
# machines that have none: Debian's kernel boots with tools/nnasm/emulated as init.
# It takes some minutes of CPU time, most of it the kernel unpacking itself.
#
#   tools/nnasm/avx512.sh
#
# Needs Debian 12's bochs bochsbios isolinux syslinux-common genisoimage cpio.
set -e
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
trap 'kill "$bochs" 2>/dev/null || true; rm -rf "$dir"' EXIT
mkdir -p "$dir/root" "$dir/iso/isolinux"
CGO_ENABLED=0 go test -c -o "$dir/root/kernel.test" ./nn/kernel
(cd tools && CGO_ENABLED=0 go build -o "$dir/root/init" ./nnasm/emulated)
mkdir "$dir/root/dev"
mknod "$dir/root/dev/console" c 5 1
(cd "$dir/root" && find . | cpio -o -H newc --quiet | gzip -1 >../iso/initrd.gz)

image=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')
(cd "$dir" && apt-get download -qq "$image" && dpkg -x linux-image-*.deb kernel)
cp "$dir"/kernel/boot/vmlinuz-* "$dir/iso/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$dir/iso/isolinux/"
# Bochs 2.7 reports a size for XSAVES and XSAVEC that Linux does not believe, and
# then goes without AVX: their bits, 321 and 323, are cleared.
cat >"$dir/iso/isolinux/isolinux.cfg" <<CFG
DEFAULT test
LABEL test
 KERNEL /vmlinuz
 INITRD /initrd.gz
 APPEND console=ttyS0 nokaslr mitigations=off tsc=reliable lpj=1000000 acpi=off nosmp clearcpuid=321,323 printk.devkmsg=on ignore_loglevel init_on_alloc=0
CFG
genisoimage -quiet -o "$dir/boot.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$dir/iso"
cat >"$dir/bochsrc" <<CFG
display_library: rfb, options="timeout=0"
megs: 512
cpu: model=corei7_skylake_x, count=1, ips=50000000, reset_on_triple_fault=0
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
boot: cdrom
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$dir/boot.iso, status=inserted
com1: enabled=1, mode=file, dev=$dir/serial
log: $dir/log
sound: waveoutdrv=dummy
clock: sync=none
CFG
echo c >"$dir/go" # Debian's Bochs starts in its debugger
bochs -q -f "$dir/bochsrc" -rc "$dir/go" >"$dir/out" 2>&1 </dev/null &
bochs=$!
until grep -q 'Attempted to kill init' "$dir/serial" 2>/dev/null; do
  kill -0 "$bochs" || { cat "$dir/out"; exit 1; }
  sleep 2
done
sed -n 's/^.*test: //p' "$dir/serial"
! grep -aq 'test: .*FAIL' "$dir/serial"
