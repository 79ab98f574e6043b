/** What a machine is made of. */
export interface MachineParts {
  readonly accelerator: 'kvm' | 'tcg'
  readonly memoryMiB: number
  readonly kernel: string
  readonly initramfs: string
  /** The first has the files of the run; the others, after its disk, are images, laid over each other in this order. */
  readonly drives: readonly string[]
  /** What is written there stays when it loses its power. */
  readonly disk: string
  /** A hardware address for each card. */
  readonly cards: readonly string[]
  /** ISO 8601 without its zone, which is UTC: where its clock begins. */
  readonly clock: string
  /** Named in lists of processes. */
  readonly name: string
}

/** File descriptors that a machine's process is given; its cards follow. */
export const DESCRIPTORS = { qmp: 3, line: 4, errors: 5, cards: 6 } as const

/** What makes it faster: nothing runs in a guest that its host would have to be kept from. */
const quick = 'mitigations=off nokaslr cryptomgr.notests audit=0 random.trust_cpu=on'
/**
 * A translated processor counts as its host does, and a kernel measures how fast that is at its start: on a busy host it was wrong by a factor
 * of 30. This clock, and alarms by it, need no measuring. Nor may the kernel wait for ten ticks of its timer, and give up where they come late.
 */
const steady = 'clocksource=hpet nolapic_timer no_timer_check'

/**
 * Arguments of QEMU for one machine. Whatever it speaks to comes as open file descriptors: no socket of it has a place in any folder, so
 * none is left.
 */
export function qemuArguments({ accelerator, memoryMiB, drives, disk, cards, ...parts }: MachineParts): string[] {
  const { qmp, line, errors } = DESCRIPTORS
  const own = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-name', parts.name]
  // The machine type `microvm` lost frames with three machines. With several threads, TCG is one for each processor.
  const speed =
    accelerator === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi', '-cpu', 'max']
  const board = ['-M', 'q35', ...speed, '-smp', '1', '-m', String(memoryMiB), '-rtc', `base=${parts.clock},clock=host`]
  const boot = [
    '-kernel',
    parts.kernel,
    '-initrd',
    parts.initramfs,
    '-append',
    `console=ttyS0 quiet panic=-1 ${quick}${accelerator === 'tcg' ? ` ${steady}` : ''}`,
  ]
  const [first = '', ...images] = drives.map((file, index) => drive(`d${index}`, file, ',readonly=on'))
  const disks = [first, drive('disk', disk), ...images].flat()
  const network = cards.flatMap((mac, index) => [
    '-netdev',
    `stream,id=n${index},server=off,addr.type=fd,addr.str=${DESCRIPTORS.cards + index}`,
    '-device',
    `virtio-net-pci,netdev=n${index},id=card${index},romfile=,mac=${mac}`,
  ])
  const ports = Object.entries({ line, errors }).flatMap(([name, descriptor]) => [
    '-chardev',
    `socket,id=${name},fd=${descriptor}`,
    '-device',
    `virtserialport,chardev=${name},name=${name}`,
  ])
  const control = ['-chardev', `socket,id=qmp,fd=${qmp}`, '-mon', 'chardev=qmp,mode=control']
  const console = ['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console']
  const random = ['-object', 'rng-random,filename=/dev/urandom,id=random', '-device', 'virtio-rng-pci,rng=random']
  return [
    ...own,
    ...board,
    ...boot,
    ...disks,
    ...network,
    '-device',
    'virtio-serial-pci',
    ...ports,
    ...control,
    ...console,
    ...random,
  ]
}

function drive(id: string, file: string, more = ''): string[] {
  const options = `id=${id},if=none,file=${escaped(file)},format=raw${more},file.locking=off`
  return ['-drive', options, '-device', `virtio-blk-pci,drive=${id}`]
}

/** In lists of options a comma is written twice. */
function escaped(text: string): string {
  return text.replaceAll(',', ',,')
}
