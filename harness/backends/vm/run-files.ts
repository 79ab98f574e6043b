import { shellWord } from '../../protocols/shell-word.ts'
import { type ArchiveEntry, archive, fileMode, folderMode, foldersAbove } from './cpio.ts'
import { DISK_OPTIONS } from './disk.ts'
import { RUN_FOLDER } from './initramfs.ts'

/** What one machine is told of its run. */
export interface MachineFiles {
  /** Folder of its node, which is on its disk. */
  readonly dir: string
  readonly host: string
  /** Its cards, in order: address, and how many bits of it are the network's. */
  readonly cards: readonly { readonly address: string; readonly prefix: number }[]
  /** Ranges of addresses that nobody has, and this machine answers for. */
  readonly strangers: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Program and arguments of the agent. */
  readonly agent: readonly string[]
  /** What stands in its /etc/hosts, beside the machine itself. */
  readonly hosts: string
  /** By path: plan, settings, and files of the user's that the plan names. */
  readonly files: ReadonlyMap<string, { readonly content: Uint8Array; readonly mode: number }>
}

/** How programs look up who somebody is and where: in files, and nowhere else. */
const lookUps = 'passwd: files\ngroup: files\nhosts: files\n'
const localhost = '127.0.0.1 localhost\n'

/** The text of a hosts file on a machine: the plan's, and the machine itself. */
export function hostsOnMachine(text: string): string {
  return `${localhost}${text}`
}

/** What a machine unpacks at its start, in the form of `cpio.ts`. */
export function runFiles(machine: MachineFiles): Buffer {
  const { hosts, host } = machine
  const text = (content: string) => ({ content: Buffer.from(content), mode: 0o644 })
  const files = new Map([
    ...machine.files,
    [`${RUN_FOLDER}/start`, { ...text(startScript(machine)), mode: 0o600 }] as const,
    ['/etc/hosts', text(hostsOnMachine(hosts))] as const,
    ['/etc/nsswitch.conf', text(lookUps)] as const,
    ['/etc/hostname', text(`${host}\n`)] as const,
    ['/etc/resolv.conf', text('')] as const,
  ])
  const entries: ArchiveEntry[] = [...files].map(([path, { content, mode }]) => ({
    path: path.slice(1),
    mode: fileMode | mode,
    content,
  }))
  const folders = foldersAbove(entries.map(({ path }) => path)).map((path) => ({ path, mode: folderMode | 0o755 }))
  const bytes = archive([...folders, ...entries])
  // A drive has whole sectors.
  return Buffer.concat([bytes, Buffer.alloc(512 - (bytes.length % 512))])
}

function startScript({ dir, host, cards, strangers, env, agent }: MachineFiles): string {
  const addresses = cards.flatMap(({ address, prefix }, index) => [
    `$b ip address add ${address}/${prefix} dev eth${index}`,
    `$b ip link set eth${index} up`,
  ])
  return `b=${RUN_FOLDER}/busybox
$b mkdir -p /dev/pts /dev/shm
$b mount -t devpts devpts /dev/pts
$b mount -t tmpfs shm /dev/shm
$b ln -s /proc/self/fd /dev/fd
$b hostname ${shellWord(host)}
$b ip link set lo up
${addresses.join('\n')}
${strangers.map((range) => `$b ip route add local ${range} dev lo`).join('\n')}
port() { for entry in /sys/class/virtio-ports/*; do [ "$($b cat $entry/name)" = "$1" ] && echo "/dev/\${entry##*/}"; done; }
exec 5<> "$(port line)" 6<> "$(port errors)"
$b mkdir -p ${shellWord(dir)}
$b mount -t ext4 -o ${DISK_OPTIONS} /dev/vdb ${shellWord(dir)} || echo 'its disk cannot be used' >&6
$b rmdir ${shellWord(dir)}/lost+found
$b mkfifo -m 600 ${RUN_FOLDER}/in ${RUN_FOLDER}/out ${RUN_FOLDER}/err
$b cat <&5 > ${RUN_FOLDER}/in &
$b cat < ${RUN_FOLDER}/out >&5 &
sent=$!
$b cat < ${RUN_FOLDER}/err >&6 &
told=$!
${Object.entries(env)
  .map(([name, value]) => `export ${name}=${shellWord(value)}`)
  .join('\n')}
cd /
${agent.map(shellWord).join(' ')} 3< ${RUN_FOLDER}/in 4> ${RUN_FOLDER}/out > ${RUN_FOLDER}/err 2>&1 < /dev/null &
wait $!
code=$?
[ $code = 0 ] || echo "the agent of this machine ended with $code" >&6
wait $sent $told
$b poweroff -f
`
}
