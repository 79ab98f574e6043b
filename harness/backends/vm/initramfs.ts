import { gzipSync } from 'node:zlib'
import { type ArchiveEntry, archive, fileMode, folderMode, foldersAbove } from './cpio.ts'
import type { KernelModule } from './kernel-modules.ts'

/** Where a machine finds what is of its run; in memory. */
export const RUN_FOLDER = '/run/holdfast'

/** On the command line of a kernel: a machine that is only to show that it boots says so, and ends. */
export const PROBED = 'holdfast.probe'

const busybox = '/bin/busybox'

/**
 * The first root of a guest: modules of its kernel, and a script that lays the images over each other, with memory on top for all that is
 * written, and unpacks what is of the run (the first drive). The second is its disk, which that mounts.
 */
export function initramfs(program: Buffer, modules: readonly KernelModule[]): Buffer {
  const files: ArchiveEntry[] = [
    { path: 'bin/busybox', mode: fileMode | 0o755, content: program },
    { path: 'init', mode: fileMode | 0o755, content: Buffer.from(script(modules)) },
    ...modules.map(({ name, content }) => ({ path: `modules/${name}.ko`, mode: fileMode | 0o644, content })),
  ]
  const folders = ['proc', 'sys', 'dev', 'layers', 'memory', 'root', ...foldersAbove(files.map(({ path }) => path))]
  const made = folders.map((path) => ({ path, mode: folderMode | 0o755 }))
  return gzipSync(archive([...made, ...files]), { level: 1 })
}

function script(modules: readonly KernelModule[]): string {
  return `#!${busybox} sh
b=${busybox}
fail() { echo "the machine cannot start: $1"; $b poweroff -f; }
$b mount -t proc proc /proc
if $b grep -q ${PROBED} /proc/cmdline; then
  echo ${PROBED}
  $b poweroff -f
fi
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
${modules.map(({ name }) => `$b insmod /modules/${name}.ko || fail "module ${name}"`).join('\n')}
tries=0
while [ ! -b /dev/vda ]; do
  tries=$((tries + 1))
  [ $tries -lt 500 ] || fail 'no drive'
  $b usleep 20000
done
$b mount -t tmpfs -o size=80% memory /memory
$b mkdir /memory/upper /memory/work
layers=
for drive in c d e f; do
  [ -b /dev/vd$drive ] || continue
  $b mkdir /layers/$drive
  $b mount -t ext4 -o ro /dev/vd$drive /layers/$drive || fail "image $drive"
  layers=/layers/$drive\${layers:+:$layers}
done
$b mount -t overlay -o lowerdir=$layers,upperdir=/memory/upper,workdir=/memory/work root /root || fail 'overlay'
for folder in proc sys dev etc root var/log var/lib run home; do $b mkdir -p /root/$folder; done
$b mkdir -p -m 1777 /root/tmp /root/var/tmp
(cd /root && $b cpio -idu < /dev/vda 2> /dev/null) || fail 'the files of the run'
$b cp ${busybox} /root${RUN_FOLDER}/busybox
for folder in proc sys dev; do $b mount --move /$folder /root/$folder; done
exec $b switch_root /root ${RUN_FOLDER}/busybox sh ${RUN_FOLDER}/start
`
}
